// Properties of events, persons or groups: their type, and in which events they appear.
import { Loader } from "@mantine/core";
import { useState } from "react";

import { useEventsWith, usePropertyDefinitions, type Owner, type PropertyDefinition } from "../../api/definitions";
import { ErrorNote } from "../../components/error_note";
import { FullLoader } from "../../components/full_loader";
import { day_and_time, plural } from "../../lib/format";
import { NoteForm, NoteSummary } from "./note";
import { Chips, Foot, Nothing, Toggle, TypeTag } from "./parts";
import styles from "./definitions.module.css";

function EventsWith({ project, property, pick }: { project: number; property: string; pick: (name: string) => void }) {
  const asked = useEventsWith(project, property);
  const found = asked.data?.pages.flatMap((p) => p.results) ?? [];
  if (asked.error) return <ErrorNote error={asked.error} retry={() => void asked.refetch()} />;
  if (asked.isPending) return <Loader type="dots" size="sm" />;
  return (
    <>
      <h3>{`In ${plural(found.length, "event")}`}</h3>
      <Chips names={found} pick={pick} what="event" />
      {asked.hasNextPage && <Foot count={0} one="" many="" more={() => void asked.fetchNextPage()} loading={asked.isFetchingNextPage} />}
    </>
  );
}

function Row({ project, property: p, pick }: { project: number; property: PropertyDefinition; pick: (name: string) => void }) {
  const [open, set_open] = useState(false);
  const name = <b className="clip" title={p.name}>{p.name || "(empty)"}</b>;
  // PostHog does not note flags with events either: every event carries them all.
  const of = { type: p.type, name: p.name, ...(p.group_type === undefined ? {} : { group_type: p.group_type }) };
  const of_events = p.type === "event" && !p.name.startsWith("$feature/") && !p.name.startsWith("$feature_enrollment/");
  return (
    <li data-testid={`property-${p.name}`}>
      <div className={`${styles.row} ${styles.property}`}>
        <Toggle open={open} set={set_open}>
          {name}
          <NoteSummary note={p} />
        </Toggle>
        <span className={styles.kind}>
          <TypeTag type={p.property_type} />
          {p.group_type !== undefined && <span className="muted">{p.group_type}</span>}
        </span>
        <span className={styles.first} title={day_and_time(p.first_seen_at)}>{day_and_time(p.first_seen_at, false)}</span>
      </div>
      {open && (
        <div className={styles.inside}>
          <NoteForm project={project} list="properties" of={of} note={p} />
          {of_events && <EventsWith project={project} property={p.name} pick={pick} />}
        </div>
      )}
    </li>
  );
}

/** The project's own names before those of SDKs; each in the order they came. */
function own_first(all: PropertyDefinition[]): PropertyDefinition[] {
  return [...all.filter((p) => !p.name.startsWith("$")), ...all.filter((p) => p.name.startsWith("$"))];
}

const kWords: Record<Owner, string> = { event: "event property", person: "person property", group: "group property" };

export function PropertyList({ project, owner, search, show_event }: { project: number; owner: Owner; search: string; show_event: (name: string) => void }) {
  const asked = usePropertyDefinitions(project, owner, search, true);
  const found = own_first(asked.data?.pages.flatMap((p) => p.results) ?? []);
  if (asked.error && found.length === 0) return <ErrorNote error={asked.error} retry={() => void asked.refetch()} />;
  if (asked.isPending) return <FullLoader />;
  if (found.length === 0) return <Nothing search={search} what={kWords[owner]} />;
  return (
    <>
      <div className={`panel ${styles.list}`}>
        <div className={`${styles.head} ${styles.property}`} aria-hidden>
          <span>Property</span>
          <span>{owner === "group" ? "Type, of which groups" : "Type"}</span>
          <span>First seen</span>
        </div>
        <ul aria-label="Properties">
          {found.map((p) => (
            <Row key={`${p.group_type ?? ""} ${p.name}`} project={project} property={p} pick={show_event} />
          ))}
        </ul>
      </div>
      <Foot count={found.length} one="property" many="properties" more={asked.hasNextPage ? () => void asked.fetchNextPage() : undefined} loading={asked.isFetchingNextPage} />
    </>
  );
}
