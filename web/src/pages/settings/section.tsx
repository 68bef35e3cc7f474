import type { ReactNode } from "react";

import styles from "./settings.module.css";

export function Section({ title, hint, children }: { title: string; hint: string; children: ReactNode }) {
  return (
    <section className={`panel ${styles.section}`} aria-label={title}>
      <header>
        <h2>{title}</h2>
        <p>{hint}</p>
      </header>
      <div>{children}</div>
    </section>
  );
}
