// How code looks in every editor: the page's colours, and what highlighting means.
import { HighlightStyle } from "@codemirror/language";
import { EditorView } from "@codemirror/view";
import { tags } from "@lezer/highlight";

export const kColours = HighlightStyle.define([
  { tag: tags.keyword, color: "var(--p-accent)", fontWeight: "600" },
  { tag: [tags.string, tags.special(tags.string), tags.regexp], color: "var(--p-accepted)" },
  { tag: tags.number, color: "var(--p-dropped)" },
  { tag: [tags.comment], color: "var(--p-muted)", fontStyle: "italic" },
  { tag: [tags.typeName, tags.bool, tags.null], color: "var(--p-duplicate)" },
]);

export const kLook = EditorView.theme({
  "&": { height: "100%", backgroundColor: "transparent", color: "var(--p-text)" },
  "&.cm-focused": { outline: "none" },
  ".cm-scroller": {
    fontFamily: "var(--mantine-font-family-monospace)",
    fontSize: "13.5px",
    lineHeight: "1.6",
  },
  ".cm-content": { padding: "12px 0", caretColor: "var(--p-text)" },
  ".cm-cursor": { borderLeftColor: "var(--p-text)" },
  ".cm-gutters": { backgroundColor: "transparent", border: "0", color: "var(--p-muted)" },
  ".cm-lineNumbers .cm-gutterElement": { padding: "0 10px 0 14px", opacity: "0.7" },
  ".cm-activeLine": { backgroundColor: "transparent" },
  "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground":
    { backgroundColor: "color-mix(in srgb, var(--p-flight) 28%, transparent) !important" },
  ".cm-matchingBracket": { backgroundColor: "var(--p-accent-soft) !important" },
  ".cm-tooltip": {
    border: "1px solid var(--p-line-strong)",
    borderRadius: "8px",
    overflow: "hidden",
    backgroundColor: "var(--p-surface)",
    color: "var(--p-text)",
  },
  ".cm-tooltip-autocomplete > ul": { fontFamily: "var(--mantine-font-family-monospace)" },
  ".cm-tooltip-autocomplete > ul > li": { padding: "3px 8px !important" },
  ".cm-tooltip-autocomplete > ul > li[aria-selected]": {
    backgroundColor: "var(--p-accent-soft)",
    color: "var(--p-text)",
  },
  ".cm-completionDetail": { color: "var(--p-muted)", fontStyle: "normal" },
});
