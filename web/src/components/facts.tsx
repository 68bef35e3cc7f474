import type { ReactNode } from "react";

import styles from "./facts.module.css";

export interface Fact {
  name: string;
  value: ReactNode;
}

/** Names and values, as a definition list in two columns. */
export function Facts({ facts }: { facts: Fact[] }) {
  return (
    <dl className={styles.facts}>
      {facts.map(({ name, value }) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
