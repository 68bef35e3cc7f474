// An object written as JSON: the text as it is typed, and the object once it is one.
import { Textarea } from "@mantine/core";
import { useState } from "react";

import { parse_object } from "../lib/json_object";
import styles from "./json_object_field.module.css";

export function JsonObjectField({
  label,
  description,
  initial,
  wrong,
  rows,
  on_change,
}: {
  label: string;
  description: string;
  initial: object;
  /** Said while the text is no object. */
  wrong: string;
  rows: [min: number, max: number];
  /** Null while the text is no object. */
  on_change: (value: Record<string, unknown> | null) => void;
}) {
  const [text, set_text] = useState(() => JSON.stringify(initial, null, 2));
  const edit = (next: string): void => {
    set_text(next);
    on_change(parse_object(next));
  };
  return (
    <Textarea
      label={label}
      description={description}
      classNames={{ input: styles.json }}
      autosize
      minRows={rows[0]}
      maxRows={rows[1]}
      spellCheck={false}
      value={text}
      error={parse_object(text) === null && wrong}
      onChange={(e) => edit(e.currentTarget.value)}
    />
  );
}
