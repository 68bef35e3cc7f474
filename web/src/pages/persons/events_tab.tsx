// A person's events over all its ids, newest first; each opens with what it carries.
import { Anchor, Button, Drawer, Loader } from "@mantine/core";
import { useState } from "react";
import { Link } from "react-router";

import { usePersonEvents, useStoredEvent, type PersonActivity, type PersonEvent } from "../../api/persons";
import { ErrorNote } from "../../components/error_note";
import { Facts } from "../../components/facts";
import { Properties } from "../../components/properties";
import { RecordingLink } from "../../components/recording_link";
import { ago, day_and_time, plural, whole } from "../../lib/format";
import styles from "./person.module.css";

function EventDetail({ project, event: e }: { project: number; event: PersonEvent }) {
  const stored = useStoredEvent(project, e.uuid, e.timestamp);
  return (
    <div className={styles.detail} data-testid="person-event">
      <Facts
        facts={[
          { name: "Happened", value: day_and_time(e.timestamp) },
          { name: "distinct_id", value: <span className="mono">{e.distinct_id}</span> },
          { name: "Person mode", value: e.person_mode },
          { name: "uuid", value: <Anchor component={Link} to={`/trace/${e.uuid}`} className="mono" inherit>{e.uuid}</Anchor> },
        ]}
      />
      {e.session_id && <RecordingLink project={project} moment={{ session: e.session_id, at: Date.parse(e.timestamp) }} />}
      {stored.isPending && <Loader type="dots" size="sm" />}
      {stored.error && <ErrorNote error={stored.error} retry={() => void stored.refetch()} />}
      {stored.data && <Properties title="Properties" value={stored.data.properties} />}
      {stored.data && <Properties title="Person properties" value={stored.data.person_properties} />}
    </div>
  );
}

function Names({ activity }: { activity: PersonActivity }) {
  const most = activity.events[0]?.count ?? 1;
  const left = activity.event_names - activity.events.length;
  return (
    <aside className={styles.names} aria-label="What this person does">
      <h3>By event</h3>
      <ul>
        {activity.events.slice(0, 12).map((e) => (
          <li key={e.event} title={`${e.event}: last ${day_and_time(e.last_event_at)}`}>
            <i style={{ width: `${Math.max(2, (e.count / most) * 100)}%` }} aria-hidden />
            <span className="clip">{e.event}</span>
            <b className="num">{whole(e.count)}</b>
          </li>
        ))}
      </ul>
      {(left > 0 || activity.events.length > 12) && (
        <p className={styles.note}>{`and ${plural(Math.max(0, activity.event_names - 12), "other event")}`}</p>
      )}
    </aside>
  );
}

export function EventsTab({ project, id, activity }: { project: number; id: string; activity?: PersonActivity }) {
  const asked = usePersonEvents(project, id);
  const [open, set_open] = useState<PersonEvent | null>(null);
  const events = asked.data?.pages.flatMap((p) => p.results) ?? [];
  if (asked.error && events.length === 0) {
    return <ErrorNote error={asked.error} title="The events cannot be shown" retry={() => void asked.refetch()} />;
  }
  if (asked.isPending) return <Loader type="dots" />;
  if (events.length === 0) {
    return <p className={styles.nothing}>No stored events. What was just sent appears within a second or two.</p>;
  }
  return (
    <div className={styles.events}>
      <div>
        <ul className={styles.event_list} aria-label="Events">
          {events.map((e) => (
            <li key={e.uuid}>
              <button type="button" onClick={() => set_open(e)}>
                <b className="clip">{e.event}</b>
                <span className="clip" title={e.url || e.distinct_id}>
                  {e.url ? e.url.replace(/^https?:\/\//, "") : e.distinct_id}
                </span>
                <time dateTime={e.timestamp} title={`${day_and_time(e.timestamp)}, ${ago(e.timestamp, Date.now())}`} className="num">
                  {day_and_time(e.timestamp)}
                </time>
              </button>
            </li>
          ))}
        </ul>
        {asked.hasNextPage && (
          <Button variant="default" size="compact-sm" mt={12} loading={asked.isFetchingNextPage} onClick={() => void asked.fetchNextPage()}>
            Show older events
          </Button>
        )}
        {asked.error && <ErrorNote error={asked.error} retry={() => void asked.fetchNextPage()} mt={12} />}
      </div>
      {activity && activity.events.length > 0 && <Names activity={activity} />}
      <Drawer opened={open !== null} onClose={() => set_open(null)} position="right" size={560} title={<b className={styles.drawer_title}>{open?.event}</b>}>
        {open && <EventDetail project={project} event={open} />}
      </Drawer>
    </div>
  );
}
