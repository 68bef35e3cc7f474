// Live: every decided event of the project, as it happens. Nothing is skipped: what the view cannot
// show yet waits here or in the server's log.
import { ActionIcon, Button, Tooltip } from "@mantine/core";
import { useDebouncedValue, useMediaQuery } from "@mantine/hooks";
import { IconArrowUp, IconPlayerPause, IconPlayerPlay, IconTrash } from "@tabler/icons-react";
import { useRef, useState, type ReactNode, type Ref } from "react";

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

/** Why the list is empty: that nothing came is known only where the server answers. */
function Emptiness({ tail, filtered }: { tail: Tail; filtered: boolean }) {
  const [title, hint] =
    tail.state === "connecting"
      ? ["Connecting…", "The events of this time come with the connection."]
      : tail.state === "reconnecting"
        ? ["Penstock does not answer", "It is asked again every few seconds. What arrives meanwhile waits in its log."]
        : filtered
          ? ["Nothing matches yet", "New events that match appear here by themselves. Names and ids match exactly."]
          : ["Nothing in this time", "New events appear here by themselves. Look further back with the time filter."];
  return (
    <div className={styles.empty} role="status" data-testid="live-empty">
      <b>{title}</b>
      <span>{hint}</span>
    </div>
  );
}

function state_words(tail: Tail, paused: boolean): string {
  if (tail.state === "connecting") return "Connecting…";
  if (tail.state === "reconnecting") return "Connection lost. It goes on where it was.";
  if (paused) return "Paused. New events wait.";
  return tail.behind > 0 ? `Catching up: ${whole(tail.behind)} ahead` : "Up to date. Nothing is skipped.";
}

/** With its word where there is room, with the icon alone where there is not. */
function HeaderButton({ words, icon, narrow, on_click, ref, ...rest }: {
  words: string;
  icon: ReactNode;
  narrow: boolean;
  on_click: () => void;
  ref?: Ref<HTMLButtonElement>;
}) {
  return narrow ? (
    <ActionIcon ref={ref} variant="default" size={40} onClick={on_click} aria-label={words} {...rest}>
      {icon}
    </ActionIcon>
  ) : (
    <Button ref={ref} variant="default" miw={104} leftSection={icon} onClick={on_click} {...rest}>
      {words}
    </Button>
  );
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
  const clear = (): void => {
    tail.clear();
    hold(paused, false);
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
          <HeaderButton words="Clear" icon={<IconTrash size={16} />} narrow={narrow} on_click={clear} />
        </Tooltip>
        {paused ? (
          <Button leftSection={<IconPlayerPlay size={16} />} onClick={() => hold(false, away)}>
            {`Resume · ${whole(buffer.waiting)}${buffer.full ? "+" : ""} waiting`}
          </Button>
        ) : (
          <HeaderButton words="Pause" icon={<IconPlayerPause size={16} />} narrow={narrow} on_click={() => hold(true, away)} />
        )}
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
          <Emptiness tail={tail} filtered={filtered} />
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
