// What both lists are made of.
import { Button, UnstyledButton } from "@mantine/core";
import { IconChevronRight } from "@tabler/icons-react";
import type { ReactNode } from "react";

import type { PropertyType } from "../../api/definitions";
import { ago, plural } from "../../lib/format";
import styles from "./definitions.module.css";

const kWords: Record<PropertyType, string> = { String: "Text", Numeric: "Number", Boolean: "Yes or no", DateTime: "Time" };

export function TypeTag({ type }: { type: PropertyType | null }) {
  return (
    <span className={styles.type} data-type={type ?? "none"} title={type ?? "Only null, lists and objects were seen"}>
      {type ? kWords[type] : "No type yet"}
    </span>
  );
}

const kHourMs = 3_600_000;

/** Last seen is kept to the hour; more exact words would not be true. */
export function seen_words(iso: string, now: number): string {
  const age = now - Date.parse(iso);
  return age < 2 * kHourMs ? "less than 2 h ago" : ago(iso, now - (age % kHourMs));
}

export function Toggle({ open, set, children }: { open: boolean; set: (open: boolean) => void; children: ReactNode }) {
  return (
    <UnstyledButton className={styles.toggle} aria-expanded={open} onClick={() => set(!open)}>
      <IconChevronRight size={15} aria-hidden data-open={open} />
      {children}
    </UnstyledButton>
  );
}

export function Chips({ names, pick, what }: { names: { name: string; type?: PropertyType | null }[]; pick: (name: string) => void; what: string }) {
  if (names.length === 0) return <p className={styles.note}>{`Seen in no ${what}.`}</p>;
  return (
    <ul className={styles.chips}>
      {names.map(({ name, type }) => (
        <li key={name}>
          <button type="button" onClick={() => pick(name)} title={name}>
            <span className="clip">{name}</span>
            {type !== undefined && <TypeTag type={type} />}
          </button>
        </li>
      ))}
    </ul>
  );
}

export function Foot({ count, one, many, more, loading }: { count: number; one: string; many: string; more?: () => void; loading: boolean }) {
  return (
    <p className={styles.foot} role="status">
      {more ? (
        <Button variant="default" size="compact-sm" onClick={more} loading={loading}>
          Show more
        </Button>
      ) : (
        `${plural(count, one, many)}.`
      )}
    </p>
  );
}

export function Nothing({ search, what }: { search: string; what: string }) {
  return (
    <div className={`panel ${styles.none}`} role="status">
      <b>{search ? `No ${what} is called like “${search}”` : `No ${what} yet`}</b>
      <span>{search ? "Any part of a name finds it, whatever the case of its letters." : "They appear here some moments after they were sent."}</span>
    </div>
  );
}
