// Mantine's styles are imported one by one: what a page uses and nobody imported looks broken.
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";

import { expect, test } from "vitest";

const kSource = join(import.meta.dirname, "..");
const kStyles = join(kSource, "../node_modules/@mantine/core/styles");
/** What these are made of has style sheets of its own. */
const kMadeOf: Record<string, string[]> = {
  TagsInput: ["Pill", "PillsInput", "Combobox", "Input"],
  MultiSelect: ["Pill", "PillsInput", "Combobox", "Input"],
  Select: ["Combobox", "Input"],
  Autocomplete: ["Combobox", "Input"],
  Checkbox: ["InlineInput"],
  Radio: ["InlineInput"],
  Switch: ["InlineInput"],
};

test("every component in use has its style sheet", () => {
  const imported = readFileSync(join(kSource, "app/mantine.css"), "utf8");
  const used = new Set<string>();
  for (const file of readdirSync(kSource, { recursive: true, encoding: "utf8" })) {
    if (!file.endsWith(".tsx")) continue;
    const text = readFileSync(join(kSource, file), "utf8");
    for (const [, names = ""] of text.matchAll(/import \{([^}]*)\} from "@mantine\/core"/g)) {
      for (const name of names.split(",")) used.add(name.replace(/^\s*type\s+/, "").trim());
    }
  }
  expect(used.size).toBeGreaterThan(10);
  const needed = [...used].flatMap((name) => [name, ...(kMadeOf[name] ?? [])]);
  const missing = [...new Set(needed)].filter(
    (name) => existsSync(join(kStyles, `${name}.css`)) && !imported.includes(`/styles/${name}.css"`),
  );
  expect(missing).toEqual([]);
});
