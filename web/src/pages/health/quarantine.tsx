// What could not be processed, with its reason in words and the way out.
import { Link } from "react-router";

import { useQuarantine } from "../../api/queries";
import { ago, bytes, words } from "../../lib/format";
import { reason_words } from "../../lib/trace_words";
import styles from "./health.module.css";

export function QuarantineList({ project, entries }: { project: number; entries: number }) {
  const quarantine = useQuarantine(project, entries > 0);
  const list = quarantine.data?.entries ?? [];
  if (list.length === 0) return null;
  return (
    <section className={`panel ${styles.ledger}`} aria-label="Quarantine">
      <div className={styles.ledger_head}>
        <h2>
          Quarantine <small>kept with their bytes until they can be processed</small>
        </h2>
      </div>
      <ul className={styles.quarantine}>
        {list.map((q) => (
          <li key={q.id}>
            <div>
              <b>{q.event || "Event without a name"}</b>
              <span>
                {words(q.reason)}. {reason_words(q.reason)?.todo}
              </span>
            </div>
            <span className="num">
              {ago(q.received_at, Date.now())}, {bytes(q.size_bytes)}
            </span>
            <Link to={`/trace/${q.uuid}`}>Trace</Link>
          </li>
        ))}
      </ul>
    </section>
  );
}
