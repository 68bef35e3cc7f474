// One group: what is known of it, what happened in it, and who belongs to it.
import { Anchor, Loader, Tabs } from "@mantine/core";
import { IconArrowLeft } from "@tabler/icons-react";
import type { UseQueryResult } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { Link, useParams, useSearchParams } from "react-router";

import {
  kGroupDays,
  useGroup,
  useGroupEvents,
  useGroupMembers,
  useGroupTotals,
  useGroupTypes,
  type GroupEvent,
  type GroupMember,
  type GroupTotals,
} from "../../api/groups";
import { useProject } from "../../app/project";
import { CopyIcon } from "../../components/copy_button";
import { ErrorNote } from "../../components/error_note";
import { FullLoader } from "../../components/full_loader";
import { PageHeader } from "../../components/page_header";
import page from "../../components/page.module.css";
import { Properties } from "../../components/properties";
import { ago, day_and_time, plural, whole } from "../../lib/format";
import { person_path } from "../../lib/person_words";
import styles from "./groups.module.css";

function Figure({ name, title, children }: { name: string; title?: string; children: ReactNode }) {
  return (
    <div title={title}>
      <dt>{name}</dt>
      <dd className="num">{children}</dd>
    </div>
  );
}

function Figures({ created, totals, failed }: { created: string | undefined; totals?: GroupTotals; failed: boolean }) {
  const later = failed ? "?" : "…";
  return (
    <dl className={`panel ${styles.figures}`} data-testid="group-figures">
      <Figure name={`Events, ${kGroupDays} days`}>{totals ? whole(totals.events) : later}</Figure>
      <Figure name={`Persons, ${kGroupDays} days`}>{totals ? whole(totals.persons) : later}</Figure>
      <Figure name="Last seen" title={totals?.last ? day_and_time(totals.last) : undefined}>
        {totals ? (totals.last ? ago(totals.last, Date.now()) : "–") : later}
      </Figure>
      <Figure name="First of these" title={totals?.first ? day_and_time(totals.first) : undefined}>
        {totals ? (totals.first ? ago(totals.first, Date.now()) : "–") : later}
      </Figure>
      <Figure name="Created" title={created ? day_and_time(created) : undefined}>{created ? day_and_time(created, false) : "–"}</Figure>
    </dl>
  );
}

/** Rows of SQL in a table; what is missing or failed is said. */
function Answer<T>({ asked, nothing, children }: { asked: UseQueryResult<T[]>; nothing: string; children: (rows: T[]) => ReactNode }) {
  if (asked.error && !asked.data) return <ErrorNote error={asked.error} retry={() => void asked.refetch()} />;
  if (!asked.data) return <Loader type="dots" />;
  if (asked.data.length === 0) return <p className={styles.nothing}>{nothing}</p>;
  return children(asked.data);
}

function Events({ events }: { events: GroupEvent[] }) {
  return (
    <table className={styles.table}>
      <thead>
        <tr>
          <th scope="col">Event</th>
          <th scope="col">Distinct id</th>
          <th scope="col">Happened</th>
        </tr>
      </thead>
      <tbody>
        {events.map((e) => (
          <tr key={e.uuid}>
            <td>
              <Anchor component={Link} to={`/trace/${e.uuid}`} inherit>
                {e.event}
              </Anchor>
            </td>
            <td className="muted">{e.distinct_id}</td>
            <td title={ago(e.timestamp, Date.now())} className="num">{day_and_time(e.timestamp)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Members({ members }: { members: GroupMember[] }) {
  return (
    <table className={styles.table}>
      <thead>
        <tr>
          <th scope="col">Person</th>
          <th scope="col" data-number>Events</th>
          <th scope="col">Last seen</th>
        </tr>
      </thead>
      <tbody>
        {members.map((m) => (
          <tr key={m.person_id}>
            <td>
              <Anchor component={Link} to={person_path(m.person_id)} inherit>
                {m.distinct_id}
              </Anchor>
            </td>
            <td data-number>{whole(m.events)}</td>
            <td title={day_and_time(m.last)}>{ago(m.last, Date.now())}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

const kTabs = ["properties", "events", "persons"];

export default function GroupPage() {
  const { project } = useProject();
  const { type = "0" } = useParams();
  const [params, set_params] = useSearchParams();
  const key = params.get("key") ?? "";
  const index = Number(type);
  const group = useGroup(project.id, index, key);
  const totals = useGroupTotals(project.id, index, key);
  const events = useGroupEvents(project.id, index, key);
  const members = useGroupMembers(project.id, index, key);
  const types = useGroupTypes(project.id);
  if (group.isPending) return <FullLoader />;
  const properties = group.data?.group_properties ?? {};
  const name = typeof properties["name"] === "string" && properties["name"] ? properties["name"] : key;
  const type_name = types.data?.find((t) => t.group_type_index === index)?.group_type ?? "group";
  const wanted = params.get("tab") ?? "";
  const tab = kTabs.includes(wanted) ? wanted : "properties";
  const count = (n: number | undefined) => n !== undefined && <small className="num">{whole(n)}</small>;
  return (
    <div className={page.page}>
      <Link to={`/groups/${index}`} className={styles.back}>
        <IconArrowLeft size={15} aria-hidden />
        All groups
      </Link>
      <PageHeader
        title={name}
        hint={
          <span className={styles.hint}>
            {type_name}
            <span className={styles.key}>
              <span className="mono">{key}</span>
              <CopyIcon text={key} label="Copy group key" />
            </span>
          </span>
        }
      />
      {group.error && <ErrorNote error={group.error} retry={() => void group.refetch()} />}
      <Figures created={group.data?.created_at} totals={totals.data?.[0]} failed={totals.error !== null} />
      <Tabs
        value={tab}
        onChange={(value) => set_params(value && value !== "properties" ? { key, tab: value } : { key }, { replace: true })}
        keepMounted={false}
        className={`panel ${styles.tabs}`}
      >
        <Tabs.List aria-label="About this group">
          <Tabs.Tab value="properties">Properties {count(Object.keys(properties).length)}</Tabs.Tab>
          <Tabs.Tab value="events">Events {count(totals.data?.[0]?.events)}</Tabs.Tab>
          <Tabs.Tab value="persons">Persons {count(totals.data?.[0]?.persons)}</Tabs.Tab>
        </Tabs.List>
        <Tabs.Panel value="properties" className={styles.panel}>
          {Object.keys(properties).length > 0 ? (
            <Properties title="Properties" value={properties} />
          ) : (
            <p className={styles.nothing}>Nothing is said about this group yet. group() in an SDK does.</p>
          )}
        </Tabs.Panel>
        <Tabs.Panel value="events" className={styles.panel}>
          <Answer asked={events} nothing={`No event of this group in ${plural(kGroupDays, "day")}.`}>
            {(rows) => (
              <>
                <Events events={rows} />
                <p className={styles.note}>{`The latest ${whole(rows.length)} of the last ${kGroupDays} days.`}</p>
              </>
            )}
          </Answer>
        </Tabs.Panel>
        <Tabs.Panel value="persons" className={styles.panel}>
          <Answer asked={members} nothing={`Nobody was seen in this group in ${plural(kGroupDays, "day")}.`}>
            {(rows) => <Members members={rows} />}
          </Answer>
        </Tabs.Panel>
      </Tabs>
    </div>
  );
}
