// One event in full: what became of it, its way, and everything it carries.
import { Anchor, Drawer, Loader } from "@mantine/core";
import { Link } from "react-router";

import { useTrace } from "../../api/queries";
import type { TailEvent } from "../../api/types";
import { CopyIcon } from "../../components/copy_button";
import { ErrorNote } from "../../components/error_note";
import { Facts, type Fact } from "../../components/facts";
import { Outcome } from "../../components/outcome";
import { PersonLink } from "../../components/person_link";
import { Properties } from "../../components/properties";
import { RecordingLink } from "../../components/recording_link";
import { TraceStory } from "../../components/trace_story";
import { day_and_time } from "../../lib/format";
import type { Moment } from "../../lib/replay/links";
import styles from "./live.module.css";

function facts_of(event: TailEvent): Fact[] {
  const facts: Fact[] = [
    { name: "Outcome", value: <Outcome outcome={event.outcome} /> },
    {
      name: "uuid",
      value: (
        <>
          <span className="mono">{event.uuid}</span>
          <CopyIcon text={event.uuid} label="Copy uuid" />
        </>
      ),
    },
  ];
  if (event.distinct_id !== undefined) {
    facts.push({ name: "distinct_id", value: <PersonLink distinct_id={event.distinct_id} /> });
  }
  if (event.timestamp) facts.push({ name: "Happened", value: day_and_time(event.timestamp) });
  facts.push({ name: "Received", value: day_and_time(event.received_at) });
  if (event.person_id) {
    facts.push({ name: "Person", value: <span className="mono">{event.person_id}</span> });
  }
  if (event.person_mode) facts.push({ name: "Person mode", value: event.person_mode });
  return facts;
}

function moment_of(event: TailEvent): Moment | null {
  const session = event.properties?.["$session_id"];
  if (typeof session !== "string" || session === "") return null;
  const at = Date.parse(event.timestamp ?? "");
  return { session, at: Number.isNaN(at) ? null : at };
}

export function EventDrawer({
  project,
  event,
  on_close,
}: {
  project: number;
  event: TailEvent | null;
  on_close: () => void;
}) {
  const trace = useTrace(project, event?.uuid ?? "", event !== null);
  const moment = event ? moment_of(event) : null;
  return (
    <Drawer
      opened={event !== null}
      onClose={on_close}
      position="right"
      size={560}
      title={<span className={styles.drawer_title}>{event?.event ?? "Event without a row"}</span>}
    >
      {event && (
        <div className={styles.detail} data-testid="event-detail">
          <Facts facts={facts_of(event)} />
          {moment && <RecordingLink project={project} moment={moment} />}
          <section aria-label="Trace">
            <h3>
              Its way
              <Anchor component={Link} to={`/trace/${event.uuid}`} size="sm">
                Open trace
              </Anchor>
            </h3>
            {trace.isPending && <Loader type="dots" size="sm" />}
            {trace.error && <ErrorNote error={trace.error} retry={() => void trace.refetch()} />}
            {trace.data && <TraceStory entries={trace.data.entries} />}
          </section>
          {event.properties && <Properties title="Properties" value={event.properties} />}
          {event.person_properties && (
            <Properties title="Person properties" value={event.person_properties} />
          )}
          {event.elements_chain && (
            <section aria-label="Elements">
              <h3>Elements</h3>
              <pre className={styles.elements}>{event.elements_chain}</pre>
            </section>
          )}
        </div>
      )}
    </Drawer>
  );
}
