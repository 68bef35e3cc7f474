// A person's merges with their undo, taking ids off, and deleting it: each asks first and shows how far it is.
import { Button, Checkbox, Modal, Progress } from "@mantine/core";
import { IconArrowBackUp, IconScissors, IconTrash } from "@tabler/icons-react";
import { useState } from "react";
import { Link } from "react-router";

import {
  usePersonAction,
  usePersonCommand,
  usePersonMerges,
  type PersonAction,
  type PersonCommand,
  type PersonMerge,
} from "../../api/person_commands";
import { ErrorNote } from "../../components/error_note";
import { day_and_time, plural, whole } from "../../lib/format";
import styles from "./merges.module.css";

const kStates = { waiting: "Waiting for its turn", running: "Running", done: "Done", failed: "Failed" };

/** What a merge did, in words. */
export function merge_words(m: PersonMerge): string {
  if (m.source && m.target) return `${m.source_distinct_id} was merged into ${m.target_distinct_id}`;
  if (m.source) return `${m.target_distinct_id} was added to the person of ${m.source_distinct_id}`;
  if (m.target) return `${m.source_distinct_id} was added to the person of ${m.target_distinct_id}`;
  return `The person began with ${m.target_distinct_id} and ${m.source_distinct_id}`;
}

function Outcome({ command }: { command: PersonCommand }) {
  const report = command.report ?? {};
  const open = command.state === "waiting" || command.state === "running";
  const share = command.total ? (100 * (command.done ?? 0)) / command.total : 0;
  return (
    <div className={styles.outcome} role="status" data-testid="command-state" data-state={command.state}>
      <b>{kStates[command.state]}</b>
      {open && command.step && <span>{command.step}</span>}
      {open && command.last_error && <span className={styles.wrong}>{command.last_error}</span>}
      {open && <Progress value={share || 100} animated aria-label="Progress" />}
      {report.error && <span className={styles.wrong}>{report.error}</span>}
      {report.note && <span>{report.note}</span>}
      {report.restored_person && command.state === "done" && (
        <Link to={`/persons/${report.restored_person}`}>The person that is restored</Link>
      )}
      {report.places && (
        <ul>
          {report.places.map((p) => (
            <li key={p.place}>
              {p.place}: {p.state}
              {p.error && <span className={styles.wrong}> {p.error}</span>}
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}

interface AskProps {
  project: number;
  person: string;
  action: PersonAction;
  title: string;
  button: string;
  danger?: boolean;
  children: React.ReactNode;
  /** `done`: what was asked has been carried out. */
  close: (done: boolean) => void;
}

/** Asks, sends the command, and stays until it is through. */
function Ask({ project, person, action, title, button, danger, children, close }: AskProps) {
  const send = usePersonAction(project, person);
  const command = usePersonCommand(project, send.data);
  const sent = send.data !== undefined;
  const over = command.data?.state === "done" || command.data?.state === "failed";
  const leave = (): void => close(command.data?.state === "done");
  return (
    <Modal opened onClose={leave} title={title} centered withCloseButton={false}>
      <div className={styles.dialog}>
        {!sent && children}
        {send.error && <ErrorNote error={send.error} />}
        {command.error && <ErrorNote error={command.error} />}
        {command.data && <Outcome command={command.data} />}
        <div className={styles.buttons}>
          <Button variant="default" onClick={leave}>{over ? "Close" : sent ? "Go on in the background" : "Cancel"}</Button>
          {!sent && (
            <Button color={danger ? "red" : undefined} loading={send.isPending} onClick={() => send.mutate(action)}>
              {button}
            </Button>
          )}
        </div>
      </div>
    </Modal>
  );
}

export function Merges({ project, id }: { project: number; id: string }) {
  const asked = usePersonMerges(project, id);
  const [undo, set_undo] = useState<PersonMerge | null>(null);
  if (asked.error) return <ErrorNote error={asked.error} retry={() => void asked.refetch()} />;
  const merges = asked.data?.merges ?? [];
  if (merges.length === 0) return null;
  return (
    <section className={styles.merges} aria-label="Merges">
      <h2>Merges</h2>
      <ul>
        {merges.map((m) => (
          <li key={m.event_uuid + m.person} data-undone={m.undone || undefined}>
            <div>
              <b>{merge_words(m)}</b>
              <span>
                by <Link to={`/trace/${m.event_uuid}`}>{m.event}</Link>, {plural(m.moved_count, "distinct id")}
                {m.undone && ", undone since"}
              </span>
            </div>
            <time dateTime={m.at} className="num">{day_and_time(m.at)}</time>
            {!m.undone && (
              <Button variant="default" size="compact-xs" leftSection={<IconArrowBackUp size={14} aria-hidden />} onClick={() => set_undo(m)}>
                Undo
              </Button>
            )}
          </li>
        ))}
      </ul>
      {asked.data && asked.data.forgotten > 0 && <p>{`${whole(asked.data.forgotten)} older ones are not kept.`}</p>}
      {undo && (
        <Ask project={project} person={id} action={{ undo: undo.event_uuid }} title="Undo this merge" button="Undo the merge" close={() => set_undo(null)}>
          <p>{merge_words(undo)}.</p>
          <p>
            Both persons become what they would be without it: properties, ids and first times, and what came since goes to
            each by its own ids. Persons that were merged later stay with the side whose id brought them.
          </p>
        </Ask>
      )}
    </section>
  );
}

/** Under the list of ids: those that are chosen become persons of their own. */
export function TakeIds({ project, id, ids, only }: { project: number; id: string; ids: string[]; only: boolean }) {
  const [chosen, set_chosen] = useState<string[] | null>(null);
  const [asking, set_asking] = useState(false);
  // The dialog stays until it is closed, also when one id is left by then.
  if (only && !asking) return null;
  if (chosen === null) {
    return (
      <Button variant="default" size="compact-sm" leftSection={<IconScissors size={14} aria-hidden />} onClick={() => set_chosen([])}>
        Take ids off…
      </Button>
    );
  }
  const toggle = (one: string) => set_chosen(chosen.includes(one) ? chosen.filter((c) => c !== one) : [...chosen, one]);
  return (
    <fieldset className={styles.take}>
      <legend>Each chosen id becomes a person of its own, without properties</legend>
      {ids.slice(0, 200).map((one) => (
        <Checkbox key={one} label={one} checked={chosen.includes(one)} onChange={() => toggle(one)} />
      ))}
      <div className={styles.buttons}>
        <Button variant="default" size="compact-sm" onClick={() => set_chosen(null)}>Cancel</Button>
        <Button size="compact-sm" disabled={chosen.length === 0} onClick={() => set_asking(true)}>
          Take off
        </Button>
      </div>
      {asking && (
        <Ask project={project} person={id} action={{ take: chosen }} title="Take ids off" button="Take off" close={() => { set_asking(false); set_chosen(null); }}>
          <p>{`${plural(chosen.length, "distinct id")} will be persons of their own: ${chosen.slice(0, 5).join(", ")}`}</p>
        </Ask>
      )}
    </fieldset>
  );
}

export function DeletePerson({ project, id, name, gone }: { project: number; id: string; name: string; gone: () => void }) {
  const [asking, set_asking] = useState(false);
  const close = (done: boolean): void => {
    set_asking(false);
    if (done) gone();
  };
  return (
    <>
      <Button variant="default" size="compact-sm" leftSection={<IconTrash size={15} aria-hidden />} onClick={() => set_asking(true)}>
        Delete
      </Button>
      {asking && (
        <Ask project={project} person={id} action="delete" danger title="Delete this person" button="Delete for ever" close={close}>
          <p>
            <b>{name}</b> with its distinct ids and recordings. This cannot be undone. What each place kept, the report
            says; the log keeps its bytes until its retention. A later event of the same id makes a new person.
          </p>
        </Ask>
      )}
    </>
  );
}
