import { IconAlertTriangle, IconCircleX } from "@tabler/icons-react";

import type { Problem } from "../../lib/problems";
import styles from "./health.module.css";

export function ProblemList({ found }: { found: Problem[] }) {
  if (found.length === 0) return null;
  return (
    <ul className={styles.problems} aria-label="Problems">
      {found.map((p) => (
        <li key={p.id} data-level={p.level} role="alert">
          {p.level === "bad" ? <IconCircleX size={20} /> : <IconAlertTriangle size={20} />}
          <div>
            <b>{p.title}</b>
            <p>{p.detail}</p>
            <p className={styles.todo}>{p.todo}</p>
          </div>
        </li>
      ))}
    </ul>
  );
}
