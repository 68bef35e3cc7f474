// One person: who it is, what it did, and every id it was seen with.
import { Button, Tabs } from "@mantine/core";
import { IconArrowLeft, IconTable } from "@tabler/icons-react";
import { useMemo, useState } from "react";
import { Link, useNavigate, useParams, useSearchParams } from "react-router";

import { is_status } from "../../api/client";
import { usePerson, usePersonActivity, usePersonRecordings, type PersonActivity, type PersonProfile } from "../../api/persons";
import { useProject } from "../../app/project";
import { CopyIcon } from "../../components/copy_button";
import { ErrorNote } from "../../components/error_note";
import { FullLoader } from "../../components/full_loader";
import { PageHeader } from "../../components/page_header";
import page from "../../components/page.module.css";
import { Properties } from "../../components/properties";
import { ago, day_and_time, plural, whole } from "../../lib/format";
import { in_order_of_interest, person_name } from "../../lib/person_words";
import { EventsTab } from "./events_tab";
import { GroupsTab, HistoryTab, IdsTab, RecordingsTab } from "./tabs";
import { DeletePerson } from "./merges";
import styles from "./person.module.css";

function Figure({ name, title, children }: { name: string; title?: string; children: React.ReactNode }) {
  return (
    <div title={title}>
      <dt>{name}</dt>
      <dd className="num">{children}</dd>
    </div>
  );
}

function moment(iso: string | null | undefined): string {
  return iso ? ago(iso, Date.now()) : "–";
}

/** What is counted over all events comes later than the person itself and may fail alone. */
function Figures({ person: p, activity, failed }: { person: PersonProfile; activity?: PersonActivity; failed: boolean }) {
  const later = (text: string | undefined): string => text ?? (failed ? "?" : "…");
  const seen = activity?.last_event_at ?? p.last_seen_at;
  return (
    <dl className={`panel ${styles.figures}`} data-testid="person-figures">
      <Figure name="Last seen" title={seen ? day_and_time(seen) : undefined}>{moment(seen)}</Figure>
      <Figure name="First seen" title={activity?.first_event_at ? day_and_time(activity.first_event_at) : undefined}>
        {activity ? moment(activity.first_event_at) : later(undefined)}
      </Figure>
      <Figure name="Events">{later(activity && whole(activity.event_count))}</Figure>
      <Figure name="Distinct ids">{`${whole(p.distinct_id_count)}${p.distinct_id_count_exact ? "" : "+"}`}</Figure>
      <Figure name="Created" title={day_and_time(p.created_at)}>{day_and_time(p.created_at, false)}</Figure>
    </dl>
  );
}

function Gone({ id }: { id: string }) {
  return (
    <div className={page.page}>
      <Back />
      <PageHeader title="Person" hint={<span className="mono">{id}</span>} />
      <div className={`panel ${styles.none}`} role="status" data-testid="person-gone">
        <b>There is no person with this id</b>
        <span>
          It was merged into another person or deleted, its events were sent without person profiles, or it belongs to
          another project. The distinct id of an event always leads to the person it belongs to now.
        </span>
        <Button component={Link} to={`/persons?search=${encodeURIComponent(id)}`} variant="default" size="compact-sm">
          Find persons
        </Button>
      </div>
    </div>
  );
}

function Back() {
  const navigate = useNavigate();
  // Whoever came from a list that was narrowed finds it as it was.
  const came_from_here = (window.history.state as { idx?: number } | null)?.idx;
  return (
    <Link
      to="/persons"
      className={styles.back}
      onClick={(e) => {
        if (!came_from_here || e.metaKey || e.ctrlKey) return;
        e.preventDefault();
        void navigate(-1);
      }}
    >
      <IconArrowLeft size={15} aria-hidden />
      {came_from_here ? "Back" : "All persons"}
    </Link>
  );
}

const kTabs = ["properties", "ids", "events", "groups", "recordings", "history"];

export default function PersonPage() {
  const { project } = useProject();
  const { id = "" } = useParams();
  const [params, set_params] = useSearchParams();
  // What is known of a person stays on the page until the deletion's report was read.
  const [gone, set_gone] = useState("");
  const asked = usePerson(project.id, id);
  const person = asked.data;
  const properties = useMemo(() => in_order_of_interest(person?.properties ?? {}), [person]);
  const activity = usePersonActivity(project.id, person?.id ?? "");
  const recordings = usePersonRecordings(project.id, person?.id ?? "");
  if (gone === id) return <Gone id={id} />;
  if (!person && asked.error) {
    if (is_status(asked.error, 404) || is_status(asked.error, 400)) return <Gone id={id} />;
    return (
      <div className={page.page}>
        <Back />
        <ErrorNote error={asked.error} title="The person cannot be shown" retry={() => void asked.refetch()} />
      </div>
    );
  }
  if (!person) return <FullLoader />;
  const name = person_name(person.properties, person.distinct_ids, person.id);
  const wanted = params.get("tab") ?? "";
  const recorded = recordings.data?.length ?? 0;
  const tab = kTabs.includes(wanted) ? wanted : "properties";
  const count = (n: number | undefined) => n !== undefined && <small className="num">{whole(n)}</small>;
  return (
    <div className={page.page}>
      <Back />
      <PageHeader
        title={name}
        hint={
          <span className={styles.hint}>
            {person.is_identified ? "Identified" : "Anonymous"}
            <span className={styles.id}>
              <span className="mono">{person.id}</span>
              <CopyIcon text={person.id} label="Copy person id" />
            </span>
          </span>
        }
      >
        <Button component={Link} to={`/events?person=${person.id}`} variant="default" size="compact-sm" leftSection={<IconTable size={15} />}>
          Events in SQL
        </Button>
        <DeletePerson project={project.id} id={person.id} name={name} gone={() => set_gone(person.id)} />
      </PageHeader>
      <Figures person={person} activity={activity.data} failed={activity.error !== null} />
      <Tabs
        value={tab}
        onChange={(value) => set_params(value && value !== "properties" ? { tab: value } : {}, { replace: true })}
        keepMounted={false}
        className={`panel ${styles.tabs}`}
      >
        <Tabs.List aria-label="About this person">
          <Tabs.Tab value="properties">Properties {count(Object.keys(person.properties).length)}</Tabs.Tab>
          <Tabs.Tab value="ids">Distinct ids {count(person.distinct_id_count)}</Tabs.Tab>
          <Tabs.Tab value="events">Events {count(activity.data?.event_count)}</Tabs.Tab>
          <Tabs.Tab value="groups">Groups</Tabs.Tab>
          {(recorded > 0 || tab === "recordings") && <Tabs.Tab value="recordings">Recordings {count(recorded)}</Tabs.Tab>}
          <Tabs.Tab value="history">History</Tabs.Tab>
        </Tabs.List>
        <Tabs.Panel value="properties" className={styles.panel}>
          <Properties title="Properties" value={properties} />
        </Tabs.Panel>
        <Tabs.Panel value="ids" className={styles.panel}><IdsTab project={project.id} person={person} /></Tabs.Panel>
        <Tabs.Panel value="events" className={styles.panel}>
          <EventsTab project={project.id} id={person.id} activity={activity.data} />
        </Tabs.Panel>
        <Tabs.Panel value="groups" className={styles.panel}><GroupsTab project={project.id} id={person.id} /></Tabs.Panel>
        <Tabs.Panel value="recordings" className={styles.panel}><RecordingsTab asked={recordings} /></Tabs.Panel>
        <Tabs.Panel value="history" className={styles.panel}><HistoryTab project={project.id} person={person} activity={activity.data} /></Tabs.Panel>
      </Tabs>
      {activity.error && (
        <ErrorNote error={activity.error} title={`The events of ${plural(person.distinct_id_count, "distinct id")} could not be counted`} retry={() => void activity.refetch()} />
      )}
    </div>
  );
}
