// Re-drives: those that run with their bar, and the last ones.
import { Button } from "@mantine/core";

import { is_open, useRedrives, useStopRedrive, type Redrive } from "../../api/integrity";
import { ago, plural, whole, words } from "../../lib/format";
import styles from "./quarantine.module.css";

const kEndedShown = 3;

function select_words(redrive: Redrive): string {
  const { ids, ...rest } = redrive.select;
  if (ids) return plural(ids.length, "chosen event");
  const parts = Object.entries(rest).filter(([, v]) => v);
  return parts.length === 0 ? "everything" : parts.map(([key, v]) => `${words(key)} ${String(v)}`).join(", ");
}

function Running({ project, redrive }: { project: number; redrive: Redrive }) {
  const stop = useStopRedrive(project);
  const done = Math.max(redrive.total - (redrive.left ?? redrive.total), 0);
  const percent = redrive.total === 0 ? 100 : Math.min(100, (done / redrive.total) * 100);
  return (
    <li>
      <div className={styles.job}>
        <b>
          {redrive.state === "waiting" ? "Waiting to drive" : "Driving"} {select_words(redrive)} again
        </b>
        <span className="num">
          {whole(done)} of {whole(redrive.total)}
        </span>
        <Button size="compact-xs" variant="default" loading={stop.isPending} onClick={() => stop.mutate(redrive.id)}>
          Stop
        </Button>
      </div>
      <div
        className={styles.bar}
        role="progressbar"
        aria-label={`Re-drive of ${select_words(redrive)}`}
        aria-valuemin={0}
        aria-valuemax={redrive.total}
        aria-valuenow={done}
      >
        <i style={{ width: `${percent}%` }} />
      </div>
      {redrive.last_error && <p className={styles.error}>It waits: {redrive.last_error}</p>}
    </li>
  );
}

export function Redrives({ project }: { project: number }) {
  const { data } = useRedrives(project);
  const open = data?.filter(is_open) ?? [];
  const ended = (data?.filter((r) => !is_open(r)) ?? []).slice(0, kEndedShown);
  if (open.length + ended.length === 0) return null;
  return (
    <section className={`panel ${styles.redrives}`} aria-label="Re-drives">
      <ul>
        {open.map((r) => (
          <Running key={r.id} project={project} redrive={r} />
        ))}
        {ended.map((r) => (
          <li key={r.id} className={styles.ended} data-testid="redrive-ended">
            <span>
              {r.state === "done" ? "Drove" : "Stopped driving"} {select_words(r)} again
            </span>
            <span>
              {plural(r.total, "event")}, {ago(r.ended_at ?? "", Date.now())}
            </span>
          </li>
        ))}
      </ul>
    </section>
  );
}
