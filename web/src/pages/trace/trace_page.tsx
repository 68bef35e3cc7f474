// Trace: where is my event? Any text that holds a uuid is enough.
import { Button, TextInput } from "@mantine/core";
import { IconSearch, IconTable } from "@tabler/icons-react";
import { useEffect, useState, type FormEvent } from "react";
import { Link, useNavigate, useParams } from "react-router";

import { useTrace } from "../../api/queries";
import type { TraceEntry } from "../../api/types";
import { useProject } from "../../app/project";
import { CopyIcon } from "../../components/copy_button";
import { ErrorNote } from "../../components/error_note";
import { Facts, type Fact } from "../../components/facts";
import { FullLoader } from "../../components/full_loader";
import { PageHeader } from "../../components/page_header";
import page from "../../components/page.module.css";
import { PersonLink } from "../../components/person_link";
import { TraceStory } from "../../components/trace_story";
import { day_and_time } from "../../lib/format";
import { load, save } from "../../lib/storage";
import { find_uuid } from "../../lib/uuid";
import styles from "./trace.module.css";

const kPastMax = 8;

function Found({ uuid, entries }: { uuid: string; entries: TraceEntry[] }) {
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
        <Button variant="default" leftSection={<IconTable size={16} />} onClick={show_row}>
          Show its row in SQL
        </Button>
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
      <PageHeader title="Trace" hint="Where is my event? Every uuid has an answer." />
      <form className={styles.form} onSubmit={submit}>
        <TextInput
          size="md"
          autoFocus
          aria-label="uuid of an event"
          placeholder="Paste a uuid, or a log line that holds one"
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
      {asked && trace.data && <Found uuid={asked} entries={trace.data.entries} />}
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
