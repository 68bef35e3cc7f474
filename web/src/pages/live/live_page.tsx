// Live: every decided event of the project, as it happens. Nothing is skipped: what the view cannot
// show yet waits here or in the server's log.
import { Button, Tooltip } from "@mantine/core";
import { useDebouncedValue, useMediaQuery } from "@mantine/hooks";
import { IconArrowUp, IconPlayerPause, IconPlayerPlay, IconTrash } from "@tabler/icons-react";
import { useRef, useState } from "react";

import { useReceived } from "../../api/queries";
import type { TailEvent } from "../../api/types";
import { useProject } from "../../app/project";
import { PageHeader } from "../../components/page_header";
import page from "../../components/page.module.css";
import { plural, whole } from "../../lib/format";
import { EventDrawer } from "./event_drawer";
import { Filters } from "./filters";
import { FirstRun } from "./first_run";
import styles from "./live.module.css";
import { RateBars } from "./rate_bars";
import { TailList } from "./tail_list";
import { useTail, type Tail, type TailFilter } from "./use_tail";

const kNoFilter: TailFilter = { event: "", distinct_id: "", outcome: "", since: "-15m" };

function state_words(tail: Tail, paused: boolean): string {
  if (tail.state === "connecting") return "Connecting…";
  if (tail.state === "reconnecting") return "Connection lost. It goes on where it was.";
  if (paused) return "Paused. New events wait.";
  return tail.behind > 0 ? `Catching up: ${whole(tail.behind)} ahead` : "Up to date. Nothing is skipped.";
}

export function LivePage() {
  const { project } = useProject();
  const narrow = useMediaQuery("(max-width: 767px)") ?? false;
  const [wanted, set_wanted] = useState(kNoFilter);
  const [filter] = useDebouncedValue(wanted, 250);
  const tail = useTail(project.id, filter);
  const { buffer } = tail;
  const [paused, set_paused] = useState(false);
  const [away, set_away] = useState(false);
  const [selected, set_selected] = useState<{ key: number; event: TailEvent } | null>(null);
  const scroller = useRef<HTMLDivElement>(null);
  const rows = buffer.rows();
  const filtered = filter.event !== "" || filter.distinct_id !== "" || filter.outcome !== "";
  const received = useReceived(project.id, rows.length === 0 && !filtered);

  const hold = (by_button: boolean, by_scroll: boolean): void => {
    set_paused(by_button);
    set_away(by_scroll);
    tail.set_paused(by_button || by_scroll);
  };
  const change = (part: Partial<TailFilter>): void => {
    set_wanted((before) => ({ ...before, ...part }));
    set_paused(false);
    set_away(false);
    if (scroller.current) scroller.current.scrollTop = 0;
  };
  if (rows.length === 0 && !filtered && received.data === 0) {
    return (
      <div className={page.fill}>
        <FirstRun project={project} />
      </div>
    );
  }
  return (
    <div className={page.fill}>
      <PageHeader
        title="Live"
        hint={
          <span className={styles.state} data-state={tail.state} data-paused={paused} role="status">
            <i aria-hidden />
            {state_words(tail, paused)}
          </span>
        }
      >
        {!narrow && <RateBars rate={buffer.rate(Date.now())} />}
        <Tooltip label="Forget what is shown; new events go on appearing">
          <Button
            variant="default"
            leftSection={<IconTrash size={16} />}
            onClick={() => {
              tail.clear();
              hold(paused, false);
            }}
          >
            Clear
          </Button>
        </Tooltip>
        <Button
          w={paused ? undefined : 112}
          variant={paused ? "filled" : "default"}
          leftSection={paused ? <IconPlayerPlay size={16} /> : <IconPlayerPause size={16} />}
          onClick={() => hold(!paused, away)}
        >
          {paused
            ? `Resume · ${whole(buffer.waiting)}${buffer.full ? "+" : ""} waiting`
            : "Pause"}
        </Button>
      </PageHeader>
      <Filters filter={wanted} set={change} />
      <div className={`panel ${styles.list}`}>
        {away && buffer.waiting > 0 && !paused && (
          <Button
            className={styles.newer}
            size="compact-sm"
            radius="xl"
            leftSection={<IconArrowUp size={14} />}
            onClick={() => scroller.current?.scrollTo({ top: 0 })}
          >
            {plural(buffer.waiting, "newer event")}
          </Button>
        )}
        {rows.length === 0 ? (
          <div className={styles.empty} role="status">
            <b>{filtered ? "Nothing matches yet" : "Nothing in this time"}</b>
            <span>
              {filtered
                ? "New events that match appear here by themselves. Names and ids match exactly."
                : "New events appear here by themselves. Look further back with the time filter."}
            </span>
          </div>
        ) : (
          <TailList
            rows={rows}
            narrow={narrow}
            selected={selected?.key ?? 0}
            on_select={(row) => set_selected({ key: row.key, event: row.event })}
            on_scrolled={(is_away) => hold(paused, is_away)}
            scroller={scroller}
          />
        )}
      </div>
      <footer className={styles.foot}>
        <span className="num" data-testid="tail-count">
          {plural(buffer.arrived, "event")} read
        </span>
        {buffer.forgotten > 0 && (
          <span className="num">{whole(buffer.forgotten)} older ones are no longer shown</span>
        )}
        {tail.gap && <span>Older events had already left the log (retention).</span>}
      </footer>
      <EventDrawer
        project={project.id}
        event={selected?.event ?? null}
        on_close={() => set_selected(null)}
      />
    </div>
  );
}
