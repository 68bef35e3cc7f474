// The events behind one number of the ledger.
import { Button, Drawer } from "@mantine/core";
import { Link } from "react-router";

import { useCellEvents, type Cell } from "../../api/integrity";
import { ErrorNote } from "../../components/error_note";
import { FullLoader } from "../../components/full_loader";
import { Outcome } from "../../components/outcome";
import { clock, day_and_time, plural, whole, words } from "../../lib/format";
import styles from "./ledger.module.css";

export function CellEvents({ project, cell, on_close }: { project: number; cell: Cell | null; on_close: () => void }) {
  const pages = useCellEvents(project, cell);
  const events = pages.data?.pages.flatMap((p) => p.events) ?? [];
  const first = pages.data?.pages[0];
  return (
    <Drawer
      opened={cell !== null}
      onClose={on_close}
      position="right"
      size={620}
      title={
        <span className={styles.drawer_title}>
          {cell ? `${whole(cell.count)} ${cell.label}` : ""}
          <small>
            {cell ? `${day_and_time(cell.from, false)}${cell.lane ? `, lane ${cell.lane}` : ""}` : ""}
          </small>
        </span>
      }
    >
      <div data-testid="cell-events">
        {pages.error && <ErrorNote error={pages.error} retry={() => void pages.refetch()} />}
        {pages.isPending && cell && <FullLoader />}
        <ul className={styles.events}>
          {events.map((e) => (
            <li key={`${e.lane}-${e.partition}-${e.offset}`}>
              <Link to={`/trace/${e.uuid}`}>
                <b>{e.event || "Event without a name"}</b>
                <span className="mono">{e.uuid}</span>
              </Link>
              <div>
                <Outcome outcome={e.state} />
                {e.reason && <span>{words(e.reason)}</span>}
                <span>{e.distinct_id}</span>
                <time dateTime={e.received_at} className="num">
                  {clock(e.received_at)}
                </time>
              </div>
              {e.quarantine_id && (
                <Link className={styles.more} to={`/quarantine?event=${e.quarantine_id}`}>
                  Open in Quarantine
                </Link>
              )}
            </li>
          ))}
        </ul>
        {first && events.length === 0 && !pages.hasNextPage && (
          <p className={styles.none}>
            {first.counted === 0
              ? "They have moved on meanwhile: the number is 0 now."
              : "None of them is in the log any more."}
          </p>
        )}
        {first && first.gone > 0 && (
          <p className={styles.none} data-testid="cell-gone">
            {plural(first.gone, "event")} of this time {first.gone === 1 ? "is" : "are"} counted and cannot be listed: the
            log has deleted them, or they are of before this index.
          </p>
        )}
        {pages.hasNextPage && (
          <Button variant="default" fullWidth loading={pages.isFetchingNextPage} onClick={() => void pages.fetchNextPage()}>
            Show more
          </Button>
        )}
      </div>
    </Drawer>
  );
}
