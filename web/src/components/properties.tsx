// A JSON object as a list of names and values that folds, can be searched, and copies a value.
import { TextInput, UnstyledButton } from "@mantine/core";
import { IconChevronDown, IconChevronRight, IconSearch } from "@tabler/icons-react";
import { useMemo, useState } from "react";

import { flatten, kLinesMax, visible_lines, type Line } from "../lib/flatten";
import { plural } from "../lib/format";
import { CopyButton, CopyIcon } from "./copy_button";
import styles from "./properties.module.css";

const kSearchFrom = 8;
/** A browser that lays out a megabyte of text in one place stands still. */
const kTextShownMax = 2_000;

function Value({ line }: { line: Line }) {
  const [whole, set_whole] = useState(false);
  if (line.children > 0) return <dd data-kind={line.kind}>{`${line.children} inside`}</dd>;
  const cut = !whole && line.text.length > kTextShownMax;
  return (
    <dd data-kind={line.kind}>
      {(cut ? line.text.slice(0, kTextShownMax) : line.text) || "(empty)"}
      {cut && (
        <span className={styles.cut}>
          {`… ${plural(line.text.length - kTextShownMax, "more character")} `}
          {line.text.length <= kTextShownMax * 50 && (
            <UnstyledButton onClick={() => set_whole(true)}>Show all</UnstyledButton>
          )}
          <CopyIcon text={line.text} label={`Copy ${line.key}`} />
        </span>
      )}
    </dd>
  );
}

export function Properties({ title, value }: { title: string; value: Record<string, unknown> }) {
  const [search, set_search] = useState("");
  const [folded, set_folded] = useState(new Set<string>());
  const lines = useMemo(() => flatten(value), [value]);
  const shown = visible_lines(lines, search, folded);
  const toggle = (path: string): void => {
    const next = new Set(folded);
    if (!next.delete(path)) next.add(path);
    set_folded(next);
  };
  return (
    <section className={styles.box} aria-label={title}>
      <header>
        <h3>
          {title} <small className="num">{Object.keys(value).length}</small>
        </h3>
        <CopyButton text={JSON.stringify(value, null, 2)} label="Copy JSON" />
      </header>
      {lines.length >= kSearchFrom && (
        <TextInput
          size="xs"
          mb={8}
          value={search}
          onChange={(e) => set_search(e.currentTarget.value)}
          placeholder="Find a name or value"
          aria-label={`Find in ${title}`}
          leftSection={<IconSearch size={14} />}
        />
      )}
      {lines.length === 0 && <p className="muted">None.</p>}
      <dl>
        {shown.map((line) => (
          <div key={line.path} style={{ paddingLeft: 10 + line.depth * 14 }}>
            <dt>
              {line.children > 0 ? (
                <UnstyledButton
                  onClick={() => toggle(line.path)}
                  aria-expanded={!folded.has(line.path)}
                >
                  {folded.has(line.path) ? (
                    <IconChevronRight size={12} aria-hidden />
                  ) : (
                    <IconChevronDown size={12} aria-hidden />
                  )}
                  {line.key}
                </UnstyledButton>
              ) : (
                line.key
              )}
            </dt>
            <Value line={line} />
          </div>
        ))}
      </dl>
      {lines.length >= kLinesMax && <p className="muted">The rest is in the copied JSON.</p>}
    </section>
  );
}
