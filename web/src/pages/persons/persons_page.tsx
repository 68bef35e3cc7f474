// Persons: everybody the project knows, the latest first, and the way to each.
import { Button, CloseButton, SegmentedControl, TextInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { IconSearch, IconUser } from "@tabler/icons-react";
import { useEffect, useState } from "react";
import { Link, useSearchParams } from "react-router";

import { usePersons, type PersonFilter, type PersonRow, type PersonsAnswer } from "../../api/persons";
import { useProject } from "../../app/project";
import { ErrorNote } from "../../components/error_note";
import { FullLoader } from "../../components/full_loader";
import { PageHeader } from "../../components/page_header";
import page from "../../components/page.module.css";
import { ago, day_and_time, plural, whole } from "../../lib/format";
import { parse_filters, person_path, telling_id } from "../../lib/person_words";
import { Filters } from "./filters";
import styles from "./persons.module.css";

const kFound: Record<PersonRow["found_by"], string> = {
  uuid: "this id",
  distinct_id: "this distinct id",
  distinct_id_prefix: "begins like this",
  properties: "",
  order: "",
};

function Row({ person: p }: { person: PersonRow }) {
  const name = p.email ?? p.name;
  const first = telling_id(p.distinct_ids);
  const title = name ?? first ?? p.id;
  const [other, ...more] = [first, ...p.distinct_ids.filter((d) => d !== first)].filter((d) => d !== undefined && d !== title);
  const from = [p.browser, p.os].filter(Boolean).join(" · ");
  return (
    <li>
      <Link className={styles.row} to={person_path(p.id)} data-testid={`person-${p.id}`}>
        <span className={styles.who}>
          <span className={styles.name}>
            <b className="clip">{title}</b>
            {p.is_identified && <em className={styles.tag}>identified</em>}
            {kFound[p.found_by] && <em className={styles.tag} data-quiet>{kFound[p.found_by]}</em>}
          </span>
          <span className={`clip ${styles.ids}`} title={p.distinct_ids.join("\n")}>
            {other}
            {more.length > 0 && (more.length > 1 ? " and more" : " and 1 more")}
          </span>
        </span>
        <span className={styles.from}>
          <span className="clip">{from || "–"}</span>
          {p.country && <span className="clip">{p.country}</span>}
        </span>
        <span className={`${styles.count} num`}>{whole(p.property_count)}</span>
        <time className={styles.seen} dateTime={p.last_seen_at ?? undefined} title={p.last_seen_at ? day_and_time(p.last_seen_at) : undefined}>
          {p.last_seen_at ? ago(p.last_seen_at, Date.now()) : "–"}
        </time>
        <time className={styles.created} dateTime={p.created_at} title={day_and_time(p.created_at)}>
          {day_and_time(p.created_at, false)}
        </time>
      </Link>
    </li>
  );
}

function freshness({ undecided_events, unstored_records }: PersonsAnswer["fresh"]): string {
  const waiting = undecided_events + unstored_records;
  if (waiting === 0) return "The order is up to date.";
  return `${plural(waiting, "event")} on the way may still change the order; ids and names are current.`;
}

function List({ pages, more, loading }: { pages: PersonsAnswer[]; more?: () => void; loading: boolean }) {
  const last = pages[pages.length - 1];
  // Whoever is seen again while the list is read stands on two of its pages.
  const persons = [...new Map(pages.flatMap((p) => p.results).map((p) => [p.id, p])).values()];
  return (
    <>
      <div className={`panel ${styles.list}`}>
        <div className={styles.head} aria-hidden>
          <span>Person</span>
          <span>From</span>
          <span className={styles.count}>Properties</span>
          <span>Last seen</span>
          <span>Created</span>
        </div>
        <ul aria-label="Persons">
          {persons.map((p) => (
            <Row key={p.id} person={p} />
          ))}
        </ul>
      </div>
      <p className={styles.foot} role="status">
        {more ? (
          <Button variant="default" size="compact-sm" onClick={more} loading={loading}>
            Show more
          </Button>
        ) : (
          <span>{plural(persons.length, "person", "persons")}.</span>
        )}{" "}
        {last && <span>{freshness(last.fresh)}</span>}
      </p>
    </>
  );
}

function Nothing({ narrowed, clear }: { narrowed: boolean; clear: () => void }) {
  return (
    <div className={`panel ${styles.none}`} role="status">
      {!narrowed && <IconUser size={28} stroke={1.5} aria-hidden />}
      <b>{narrowed ? "Nobody matches" : "Nobody yet"}</b>
      <span>
        {narrowed
          ? "Ids match from their beginning, exactly as they are written; emails and names anywhere, whatever their case. Properties are those of now."
          : "A person appears with its first event, unless the event says $process_person_profile: false. identify() gives it a name."}
      </span>
      {narrowed && (
        <Button variant="default" size="compact-sm" onClick={clear}>
          Show everybody
        </Button>
      )}
    </div>
  );
}

export default function PersonsPage() {
  const { project } = useProject();
  const [params, set_params] = useSearchParams();
  const [text, set_text] = useState(params.get("search") ?? "");
  const [search] = useDebouncedValue(text.trim(), 250);
  const order = params.get("order") === "created" ? "created" : "seen";
  const filters = parse_filters(params.get("properties"));
  const put = (name: string, value: string): void => {
    // The address as it is now: `params` lacks what was put since the last render, and a search that
    // settles would take a filter away again that was added meanwhile.
    const next = new URLSearchParams(window.location.search);
    if ((next.get(name) ?? "") === value) return; // a navigation to the same place could undo another
    if (value) next.set(name, value);
    else next.delete(name);
    set_params(next, { replace: true });
  };
  // What is looked for stands in the address: the way back from a person leads to the same list.
  useEffect(() => put("search", search), [search]);
  const set_filters = (next: PersonFilter[]): void => put("properties", next.length > 0 ? JSON.stringify(next) : "");

  const asked = usePersons(project.id, { search, order, filters });
  const pages = asked.data?.pages;
  const first = pages?.[0];
  const empty = pages !== undefined && pages.every((p) => p.results.length === 0);
  const narrowed = search !== "" || filters.length > 0;
  return (
    <div className={page.page}>
      <PageHeader title="Persons" hint={first ? `${plural(first.count, "person", "persons")}, by who was ${order === "seen" ? "seen" : "created"} last.` : "Everybody this project knows."}>
        <SegmentedControl
          size="sm"
          aria-label="Order"
          value={order}
          onChange={(value) => put("order", value === "created" ? "created" : "")}
          data={[
            { value: "seen", label: "Last seen" },
            { value: "created", label: "Created" },
          ]}
        />
      </PageHeader>
      <div className={styles.search} role="search" aria-label="Find persons">
        <TextInput
          aria-label="Find a person"
          placeholder="Email, name, distinct id or person id"
          value={text}
          onChange={(e) => set_text(e.currentTarget.value)}
          leftSection={<IconSearch size={16} />}
          rightSection={text && <CloseButton size="sm" aria-label="Clear the search" onClick={() => set_text("")} />}
        />
        <Filters project={project.id} filters={filters} set={set_filters} />
      </div>
      {asked.error && <ErrorNote error={asked.error} title="The list cannot be shown" retry={() => void asked.refetch()} />}
      {first?.incomplete && (
        <ErrorNote error={new Error(`Only ids were searched: ${first.incomplete}`)} title="This list is not complete" retry={() => void asked.refetch()} />
      )}
      {asked.isPending && !asked.error && <FullLoader />}
      {empty && !asked.error && <Nothing narrowed={narrowed} clear={() => { set_text(""); set_filters([]); }} />}
      {pages && !empty && (
        <div data-stale={asked.isPlaceholderData} className={styles.answer}>
          <List pages={pages} more={asked.hasNextPage ? () => void asked.fetchNextPage() : undefined} loading={asked.isFetchingNextPage} />
        </div>
      )}
    </div>
  );
}
