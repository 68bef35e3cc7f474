// The smaller parts of a person's profile: ids, groups, recordings, history.
import { Anchor, Button, Loader } from "@mantine/core";
import type { UseQueryResult } from "@tanstack/react-query";
import { Link } from "react-router";

import { useGroupTypes } from "../../api/groups";
import { usePersonGroups, usePersonIds, type PersonActivity, type PersonProfile } from "../../api/persons";
import type { RecordingSummary } from "../../api/types";
import { CopyIcon } from "../../components/copy_button";
import { ErrorNote } from "../../components/error_note";
import { ago, day_and_time, plural, whole } from "../../lib/format";
import { group_path } from "../../lib/group_sql";
import { moment_path } from "../../lib/replay/links";
import { place } from "../../lib/replay/session";
import { Merges, TakeIds } from "./merges";
import styles from "./person.module.css";

/** How the id came to this person, as far as the version of its mapping tells. */
function origin(version: number): string {
  return version === 0 ? "from the start" : "added or merged";
}

export function IdsTab({ project, person }: { project: number; person: PersonProfile }) {
  const asked = usePersonIds(project, person.id);
  const ids = asked.data?.pages.flatMap((p) => p.results) ?? [];
  if (asked.error && ids.length === 0) return <ErrorNote error={asked.error} retry={() => void asked.refetch()} />;
  if (asked.isPending) return <Loader type="dots" />;
  return (
    <>
      <p className={styles.note}>
        Events sent with any of these ids are this person's. The version of an id rises whenever it moves to another
        person.
      </p>
      <table className={styles.table}>
        <thead>
          <tr>
            <th scope="col">Distinct id</th>
            <th scope="col">Came</th>
            <th scope="col" data-number>Version</th>
          </tr>
        </thead>
        <tbody>
          {ids.map(({ distinct_id, version }) => (
            <tr key={distinct_id}>
              <td>
                <span className={styles.one_id}>
                  <span className="mono">{distinct_id || "(empty)"}</span>
                  <CopyIcon text={distinct_id} label={`Copy ${distinct_id.slice(0, 60)}`} />
                </span>
              </td>
              <td className="muted">{origin(version)}</td>
              <td data-number>{version}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <TakeIds project={project} id={person.id} ids={ids.map((i) => i.distinct_id)} only={ids.length < 2} />
      {asked.hasNextPage && (
        <p className={styles.note}>
          <Button variant="default" size="compact-sm" loading={asked.isFetchingNextPage} onClick={() => void asked.fetchNextPage()}>
            Show more
          </Button>{" "}
          {`${whole(ids.length)} of ${whole(person.distinct_id_count)}${person.distinct_id_count_exact ? "" : " or more"}, in byte order.`}
        </p>
      )}
    </>
  );
}

function GroupName({ type, name }: { type?: number; name: string }) {
  if (type === undefined) return <span className="mono">{name}</span>;
  return (
    <Anchor component={Link} to={group_path(type, name)} inherit className="mono">
      {name}
    </Anchor>
  );
}

export function GroupsTab({ project, id }: { project: number; id: string }) {
  const asked = usePersonGroups(project, id);
  const types = useGroupTypes(project);
  // A type that found no room among the five has no page.
  const index_of = (type: string) => types.data?.find((t) => t.group_type === type)?.group_type_index;
  if (asked.error) return <ErrorNote error={asked.error} retry={() => void asked.refetch()} />;
  if (asked.isPending) return <Loader type="dots" />;
  if (asked.data.length === 0) {
    return <p className={styles.nothing}>No event of this person names a group. group() in an SDK does.</p>;
  }
  return (
    <table className={styles.table}>
      <thead>
        <tr>
          <th scope="col">Type</th>
          <th scope="col">Group</th>
          <th scope="col" data-number>Events</th>
          <th scope="col">Last</th>
        </tr>
      </thead>
      <tbody>
        {asked.data.map((g) => (
          <tr key={JSON.stringify([g.type, g.key])}>
            <td className="muted">{g.type}</td>
            <td><GroupName type={index_of(g.type)} name={g.key} /></td>
            <td data-number>{whole(g.event_count)}</td>
            <td title={day_and_time(g.last_event_at)}>{ago(g.last_event_at, Date.now())}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

export function RecordingsTab({ asked }: { asked: UseQueryResult<RecordingSummary[]> }) {
  if (asked.error) return <ErrorNote error={asked.error} retry={() => void asked.refetch()} />;
  if (asked.isPending) return <Loader type="dots" />;
  if (asked.data.length === 0) return <p className={styles.nothing}>No session of this person was recorded.</p>;
  return (
    <table className={styles.table}>
      <thead>
        <tr>
          <th scope="col">Began</th>
          <th scope="col">First page</th>
          <th scope="col" data-number>Length</th>
          <th scope="col" data-number>Clicks</th>
          <th scope="col">Console</th>
        </tr>
      </thead>
      <tbody>
        {asked.data.map((r) => (
          <tr key={r.session_id}>
            <td>
              <Anchor component={Link} to={moment_path({ session: r.session_id, at: null })} inherit title={ago(r.start_time, Date.now())}>
                {day_and_time(r.start_time, false)}
              </Anchor>
            </td>
            <td className="muted">{r.first_url.replace(/^https?:\/\//, "") || "no address"}</td>
            <td data-number>{place(r.duration_ms)}</td>
            <td data-number>{whole(r.click_count)}</td>
            <td className="muted">{r.console_error_count > 0 ? plural(r.console_error_count, "error") : "no errors"}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

export function HistoryTab({ project, person: p, activity }: { project: number; person: PersonProfile; activity?: PersonActivity }) {
  const steps = [
    { at: activity?.first_event_at, title: "First event", detail: "" },
    { at: p.created_at, title: "Person created", detail: p.is_identified ? "identified since" : "anonymous" },
    { at: activity?.last_event_at ?? p.last_seen_at, title: "Last seen", detail: p.version > 0 ? `changed ${plural(p.version, "time")} since it was made` : "" },
  ];
  const known = steps.filter((s) => s.at).sort((a, b) => Date.parse(b.at ?? "") - Date.parse(a.at ?? ""));
  return (
    <>
    <ol className={styles.history} aria-label="History">
      {known.map((s) => (
        <li key={s.title}>
          <b>{s.title}</b>
          {s.detail && <span>{s.detail}</span>}
          <time dateTime={s.at ?? undefined} className="num">{day_and_time(s.at ?? undefined)}</time>
        </li>
      ))}
    </ol>
    <Merges project={project} id={p.id} />
    </>
  );
}
