// Events: how often and how lately, and with which properties.
import { Loader } from "@mantine/core";
import { useState } from "react";

import { kVolumeDays, useEventDefinitions, usePropertiesOf, useVolumes, type EventDefinition, type Volume } from "../../api/definitions";
import { ErrorNote } from "../../components/error_note";
import { FullLoader } from "../../components/full_loader";
import { day_and_time, plural, whole } from "../../lib/format";
import { NoteForm, NoteSummary } from "./note";
import { Chips, Foot, Nothing, seen_words, Toggle } from "./parts";
import styles from "./definitions.module.css";

function Bars({ volume }: { volume: Volume }) {
  const most = Math.max(...volume.days, 1);
  return (
    <svg className={styles.bars} viewBox={`0 0 ${kVolumeDays * 4} 24`} role="img" aria-label={`${plural(volume.total, "event")} in ${kVolumeDays} days`} preserveAspectRatio="none">
      {volume.days.map((n, i) => {
        const height = n === 0 ? 1 : Math.max(2.5, (n / most) * 24);
        return <rect key={i} x={i * 4} y={24 - height} width={3} height={height} data-some={n > 0} />;
      })}
    </svg>
  );
}

function PropertiesOf({ project, event, pick }: { project: number; event: string; pick: (name: string) => void }) {
  const asked = usePropertiesOf(project, event);
  const found = asked.data?.pages.flatMap((p) => p.results) ?? [];
  if (asked.error) return <ErrorNote error={asked.error} retry={() => void asked.refetch()} />;
  if (asked.isPending) return <Loader type="dots" size="sm" />;
  return (
    <>
      <h3>{plural(found.length, "property", "properties")}</h3>
      <Chips names={[...found].sort((a, b) => Number(a.name.startsWith("$")) - Number(b.name.startsWith("$"))).map((p) => ({ name: p.name, type: p.property_type }))} pick={pick} what="property" />
      {asked.hasNextPage && <Foot count={0} one="" many="" more={() => void asked.fetchNextPage()} loading={asked.isFetchingNextPage} />}
    </>
  );
}

function Row({ project, event: e, volume, counted, pick }: {
  project: number;
  event: EventDefinition;
  volume?: Volume;
  counted: boolean;
  pick: (name: string) => void;
}) {
  const [open, set_open] = useState(false);
  return (
    <li data-testid={`event-${e.name}`}>
      <div className={`${styles.row} ${styles.event}`}>
        <Toggle open={open} set={set_open}>
          <b className="clip" title={e.name}>{e.name || "(empty)"}</b>
          <NoteSummary note={e} />
        </Toggle>
        <span className={styles.volume}>
          {volume && <Bars volume={volume} />}
          <span className="num">{volume ? whole(volume.total) : counted ? "0" : "…"}</span>
        </span>
        <span className={styles.seen} title={`An event of the hour that began ${day_and_time(e.last_seen_at)}`}>{seen_words(e.last_seen_at, Date.now())}</span>
        <span className={styles.first} title={day_and_time(e.first_seen_at)}>{day_and_time(e.first_seen_at, false)}</span>
      </div>
      {open && (
        <div className={styles.inside}>
          <NoteForm project={project} list="events" of={{ name: e.name }} note={e} />
          <PropertiesOf project={project} event={e.name} pick={pick} />
        </div>
      )}
    </li>
  );
}

export function EventList({ project, search, show_property }: { project: number; search: string; show_property: (name: string) => void }) {
  const asked = useEventDefinitions(project, search, true);
  const volumes = useVolumes(project);
  const events = asked.data?.pages.flatMap((p) => p.results) ?? [];
  if (asked.error && events.length === 0) return <ErrorNote error={asked.error} retry={() => void asked.refetch()} />;
  if (asked.isPending) return <FullLoader />;
  if (events.length === 0) return <Nothing search={search} what="event" />;
  const total = (e: EventDefinition): number => volumes.data?.get(e.name)?.total ?? 0;
  const sorted = [...events].sort((a, b) => total(b) - total(a));
  return (
    <>
      {volumes.error && <ErrorNote error={volumes.error} title="The events could not be counted" retry={() => void volumes.refetch()} />}
      <div className={`panel ${styles.list}`}>
        <div className={`${styles.head} ${styles.event}`} aria-hidden>
          <span>Event</span>
          <span>{`Last ${kVolumeDays} days`}</span>
          <span>Last seen</span>
          <span>First seen</span>
        </div>
        <ul aria-label="Events">
          {sorted.map((e) => (
            <Row key={e.name} project={project} event={e} volume={volumes.data?.get(e.name)} counted={volumes.data !== undefined} pick={show_property} />
          ))}
        </ul>
      </div>
      <Foot count={events.length} one="event" many="events" more={asked.hasNextPage ? () => void asked.fetchNextPage() : undefined} loading={asked.isFetchingNextPage} />
    </>
  );
}
