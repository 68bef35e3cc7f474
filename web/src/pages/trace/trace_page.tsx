// Trace: where is my event? Any text that holds a uuid is enough.
import { Button, TextInput } from "@mantine/core";
import { IconSearch, IconTable } from "@tabler/icons-react";
import { useEffect, useState, type FormEvent } from "react";
import { Link, useNavigate, useParams } from "react-router";

import { useStoredRows } from "../../api/integrity";
import { useTrace } from "../../api/queries";
import type { Trace, TraceEntry } from "../../api/types";
import { useProject } from "../../app/project";
import { CopyIcon } from "../../components/copy_button";
import { ErrorNote } from "../../components/error_note";
import { Facts, type Fact } from "../../components/facts";
import { FullLoader } from "../../components/full_loader";
import { Outcome } from "../../components/outcome";
import { PageHeader } from "../../components/page_header";
import page from "../../components/page.module.css";
import { PersonLink } from "../../components/person_link";
import { TraceStory } from "../../components/trace_story";
import { day_and_time, plural } from "../../lib/format";
import { load, save } from "../../lib/storage";
import { find_uuid } from "../../lib/uuid";
import styles from "./trace.module.css";

const kPastMax = 8;

function Found({ project, uuid, entries }: { project: number; uuid: string; entries: TraceEntry[] }) {
  const navigate = useNavigate();
  const show_row = (): void => {
    save("sql", `SELECT *\nFROM events\nWHERE uuid = '${uuid}'`);
    navigate("/events");
  };
  const known = entries.find((e) => e.event) ?? entries[0];
  const facts: Fact[] = [
    {
      name: "uuid",
      value: (
        <>
          <span className="mono">{uuid}</span>
          <CopyIcon text={uuid} label="Copy uuid" />
        </>
      ),
    },
  ];
  if (known?.event) facts.push({ name: "Event", value: known.event });
  if (known?.distinct_id) {
    facts.push({ name: "distinct_id", value: <PersonLink distinct_id={known.distinct_id} /> });
  }
  if (known) facts.push({ name: "Received", value: day_and_time(known.received_at) });
  return (
    <section className={`panel ${styles.found}`} data-testid="trace">
      <Facts facts={facts} />
      <TraceStory entries={entries} />
      {entries.some((e) => e.state === "stored") && (
        <div className={styles.row}>
          <Button variant="default" leftSection={<IconTable size={16} />} onClick={show_row}>
            Show its row in SQL
          </Button>
          <Part project={project} uuid={uuid} />
        </div>
      )}
    </section>
  );
}

/** In which part of the engine's table its row lies; asked when somebody wants to know. */
function Part({ project, uuid }: { project: number; uuid: string }) {
  const [asked, set_asked] = useState(false);
  const rows = useStoredRows(project, uuid, asked);
  if (!asked) {
    return (
      <Button variant="subtle" onClick={() => set_asked(true)}>
        Where in the engine?
      </Button>
    );
  }
  if (rows.isPending) return <Button variant="subtle" loading />;
  if (rows.error) return <ErrorNote error={rows.error} retry={() => void rows.refetch()} />;
  return (
    <ul className={styles.parts} data-testid="trace-part">
      {rows.data.map((r) => (
        <li key={`${r.part}-${r.part_row}`} className="mono">
          part {r.part}, row {r.part_row}
        </li>
      ))}
      {rows.data.length === 0 && <li>Not visible in the engine now.</li>}
    </ul>
  );
}

/** What one request brought. */
function RequestFound({ uuid, trace }: { uuid: string; trace: Trace }) {
  const events = trace.events ?? [];
  return (
    <section className={`panel ${styles.found}`} data-testid="trace-request">
      <Facts
        facts={[
          { name: "Request", value: <span className="mono">{uuid}</span> },
          { name: "Events", value: String(events.length) },
        ]}
      />
      {trace.entries.length > 0 && <TraceStory entries={trace.entries} />}
      <ul className={styles.events}>
        {events.map((e) => (
          <li key={e.uuid}>
            <Link to={`/trace/${e.uuid}`}>
              <b>{e.event || "Event without a name"}</b>
              <span className="mono">{e.uuid}</span>
            </Link>
            <span>{e.distinct_id}</span>
            <Outcome outcome={e.state} />
          </li>
        ))}
      </ul>
      {events.length === 0 && trace.entries.length === 0 && (
        <p className="muted">A request with this id brought nothing that is known here.</p>
      )}
      {(trace.gone ?? 0) > 0 && (
        <p className="muted">
          The log has deleted {plural(trace.gone ?? 0, "outcome")} of that time; some may have been of this request.
        </p>
      )}
    </section>
  );
}

export default function TracePage() {
  const { project } = useProject();
  const navigate = useNavigate();
  const asked = find_uuid(useParams().uuid ?? "");
  const [text, set_text] = useState(asked ?? "");
  const [wrong, set_wrong] = useState(false);
  const [past, set_past] = useState<string[]>(() => load("traced", []));
  const trace = useTrace(project.id, asked ?? "", asked !== null);

  useEffect(() => {
    if (asked === null) return;
    set_text(asked);
    set_past((before) => {
      const next = [asked, ...before.filter((u) => u !== asked)].slice(0, kPastMax);
      save("traced", next);
      return next;
    });
  }, [asked]);

  const submit = (e: FormEvent): void => {
    e.preventDefault();
    const uuid = find_uuid(text);
    set_wrong(uuid === null);
    if (uuid === null) return;
    if (uuid === asked) void trace.refetch();
    else navigate(`/trace/${uuid}`);
  };
  return (
    <div className={`${page.page} ${styles.page}`}>
      <PageHeader title="Trace" hint="Where is my event? Every uuid has an answer, and every X-Request-Id." />
      <form className={styles.form} onSubmit={submit}>
        <TextInput
          size="md"
          autoFocus
          aria-label="uuid of an event"
          placeholder="Paste an event's uuid or a request's id, or a log line that holds one"
          value={text}
          error={wrong && "There is no uuid in this text."}
          leftSection={<IconSearch size={18} />}
          classNames={{ input: styles.input }}
          onChange={(e) => {
            set_text(e.currentTarget.value);
            set_wrong(false);
          }}
        />
        <Button type="submit" size="md" loading={trace.isFetching && !trace.data}>
          Trace
        </Button>
      </form>
      {trace.error && <ErrorNote error={trace.error} retry={() => void trace.refetch()} />}
      {asked && trace.isPending && <FullLoader />}
      {asked && trace.data && trace.data.kind !== "request" && (
        <Found project={project.id} uuid={asked} entries={trace.data.entries} />
      )}
      {asked && trace.data?.kind === "request" && <RequestFound uuid={asked} trace={trace.data} />}
      {!asked && (
        <section className={styles.past}>
          <h2>{past.length > 0 ? "Traced before" : "What it tells"}</h2>
          {past.length > 0 ? (
            <ul>
              {past.map((uuid) => (
                <li key={uuid}>
                  <Link to={`/trace/${uuid}`} className="mono">
                    {uuid}
                  </Link>
                </li>
              ))}
            </ul>
          ) : (
            <p className="muted">
              Stored, waiting, dropped by a rule, a copy of an earlier one, in quarantine, refused
              at the door, or never seen: each with the reason and what to do. SDKs give every event
              its uuid; Live and the uuid column of events show it.
            </p>
          )}
        </section>
      )}
    </div>
  );
}
