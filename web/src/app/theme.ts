// Penstock's look as a Mantine theme; the colours themselves are in tokens.css.
import {
  createTheme,
  localStorageColorSchemeManager,
  type CSSVariablesResolver,
  type MantineColorsTuple,
} from "@mantine/core";

const petrol: MantineColorsTuple = [
  "#e6f6f7",
  "#cdeaec",
  "#9fd6da",
  "#6dc1c8",
  "#46afb8",
  "#2b9aa6",
  "#178391",
  "#0b6b79",
  "#095762",
  "#06424b",
];

// Mantine's own greys have no hue; these are the dark surfaces of tokens.css, light to dark.
const dark: MantineColorsTuple = [
  "#e3ecea",
  "#c3d1ce",
  "#94a8a5",
  "#566a68",
  "#364747",
  "#243131",
  "#1a2424",
  "#151e1e",
  "#101818",
  "#0b1111",
];

export const theme = createTheme({
  primaryColor: "petrol",
  primaryShade: { light: 7, dark: 6 },
  colors: { petrol, dark },
  defaultRadius: "md",
  fontFamily: '"Inter Variable", system-ui, -apple-system, "Segoe UI", sans-serif',
  fontFamilyMonospace: '"JetBrains Mono Variable", ui-monospace, Menlo, Consolas, monospace',
  headings: { fontWeight: "650" },
  cursorType: "pointer",
  components: {
    Tooltip: { defaultProps: { openDelay: 300, withArrow: true } },
    Drawer: {
      defaultProps: {
        closeButtonProps: { "aria-label": "Close" },
        // What lies behind goes on living; it is only put back a little.
        overlayProps: { backgroundOpacity: 0.28 },
      },
    },
    Modal: { defaultProps: { closeButtonProps: { "aria-label": "Close" }, centered: true } },
  },
});

// The same key as public/theme.js, which runs before the first paint.
export const scheme_manager = localStorageColorSchemeManager({ key: "penstock-color-scheme" });

const shared = {
  "--mantine-color-body": "var(--p-paper)",
  "--mantine-color-text": "var(--p-text)",
  "--mantine-color-dimmed": "var(--p-muted)",
  "--mantine-color-anchor": "var(--p-accent)",
  "--mantine-color-placeholder": "var(--p-muted)",
  "--mantine-color-default": "var(--p-surface)",
  "--mantine-color-default-hover": "var(--p-hover)",
  "--mantine-color-default-color": "var(--p-text)",
  "--mantine-color-default-border": "var(--p-line-strong)",
};

export const resolver: CSSVariablesResolver = () => ({
  variables: {},
  light: shared,
  dark: shared,
});
