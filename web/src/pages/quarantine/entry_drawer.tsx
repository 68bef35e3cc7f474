// One event in quarantine: its bytes, an editor, and what would become of it now.
import { Button, Drawer } from "@mantine/core";
import { useEffect, useState } from "react";
import { Link } from "react-router";

import { useEdit, useQuarantineCommand, useQuarantinedEvent, useTrial, type QuarantinedWhole, type Trial } from "../../api/integrity";
import { CopyIcon } from "../../components/copy_button";
import { ErrorNote } from "../../components/error_note";
import { Facts, type Fact } from "../../components/facts";
import { FullLoader } from "../../components/full_loader";
import { Outcome } from "../../components/outcome";
import { app_words } from "../../lib/app_words";
import { bytes, day_and_time, words } from "../../lib/format";
import { reason_words } from "../../lib/trace_words";
import styles from "./quarantine.module.css";

/** The text with its lines, if it is JSON; the bytes as they are otherwise. */
function pretty(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

function problem_of(text: string): string | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? null : "An event is a JSON object.";
  } catch (error) {
    return error instanceof Error ? error.message : "This is no JSON.";
  }
}

function facts_of(e: QuarantinedWhole): Fact[] {
  const facts: Fact[] = [
    {
      name: "uuid",
      value: (
        <>
          <span className="mono">{e.uuid}</span>
          <CopyIcon text={e.uuid} label="Copy uuid" />
        </>
      ),
    },
    { name: "Received", value: day_and_time(e.received_at) },
    { name: "Failed at", value: `${words(e.stage)}${e.version ? `, Penstock ${e.version}` : ""}` },
    { name: "Token", value: <span className="mono">{e.token}</span> },
    { name: "Log", value: `${e.lane} lane, partition ${e.partition}, position ${e.offset}` },
  ];
  const request = e.arrival?.["request_id"];
  if (typeof request === "string") {
    facts.push({ name: "Request", value: <Link to={`/trace/${request}`} className="mono">{request}</Link> });
  }
  const ip = e.arrival?.["ip"];
  if (typeof ip === "string" && ip) facts.push({ name: "From", value: ip });
  return facts;
}

const shown = (value: unknown): string => (value === null ? "" : typeof value === "string" ? value : JSON.stringify(value));

function TrialResult({ trial }: { trial: Trial }) {
  const diff = trial.diff ?? [];
  const { persons, distinct_ids, groups } = trial.changes;
  const changes = [
    persons > 0 && `${persons} person written`,
    distinct_ids > 0 && `${distinct_ids} distinct id given`,
    groups > 0 && `${groups} group written`,
  ].filter(Boolean);
  return (
    <div className={styles.trial} data-testid="trial">
      <p>
        <b>Now it would be</b> <Outcome outcome={trial.outcome} />
        {trial.reason && <span> ({words(trial.reason)})</span>}
      </p>
      {trial.apps.length > 0 && (
        <ol className={styles.apps} aria-label="What its apps would do">
          {trial.apps.map((step) => (
            <li key={step.id} data-status={step.status}>
              {app_words(step)}
            </li>
          ))}
        </ol>
      )}
      {changes.length > 0 && <p className="muted">{changes.join(", ")}</p>}
      {trial.warnings.map((w, i) => (
        <p key={i} className={styles.warned}>
          Warning: {words(w.type)}
        </p>
      ))}
      {diff.length > 0 && (
        <table aria-label="From the event to its row">
          <thead>
            <tr>
              <th scope="col">member</th>
              <th scope="col">as sent</th>
              <th scope="col">as a row</th>
            </tr>
          </thead>
          <tbody>
            {diff.map((d) => (
              <tr key={d.path} data-kind={d.before === null ? "added" : d.after === null ? "removed" : "changed"}>
                <th scope="row">{d.path.replace(/^properties\./, "")}</th>
                <td>{shown(d.before)}</td>
                <td>{shown(d.after)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {trial.outcome === "accepted" && diff.length === 0 && <p className="muted">Its row is the event as it was sent.</p>}
    </div>
  );
}

function Whole({ project, entry, close }: { project: number; entry: QuarantinedWhole; close: () => void }) {
  const original = pretty(entry.data);
  const [text, set_text] = useState(entry.edited ? pretty(entry.edited) : original);
  const [sure, set_sure] = useState(false);
  const trial = useTrial(project, entry.id);
  const edit = useEdit(project, entry.id);
  const redrive = useQuarantineCommand(project, "redrive");
  const discard = useQuarantineCommand(project, "discard");
  useEffect(() => set_text(entry.edited ? pretty(entry.edited) : original), [entry.edited, original]);
  const saved = entry.edited ? pretty(entry.edited) : original;
  const changed = text !== saved;
  const wrong = problem_of(text);
  const cause = reason_words(entry.reason);
  const error = trial.error ?? edit.error ?? redrive.error ?? discard.error;
  const select = { ids: [entry.id] };
  return (
    <div className={styles.whole} data-testid="quarantine-entry">
      <div className={styles.cause}>
        <b>{words(entry.reason)}</b>
        {cause && (
          <p>
            {cause.happened} {cause.todo}
          </p>
        )}
      </div>
      <Facts facts={facts_of(entry)} />
      <section aria-label="The event">
        <h3>
          The event <small>{bytes(entry.size_bytes)} in the log</small>
          {entry.edited_at && (
            <small>
              edited by {entry.edited_by}, {day_and_time(entry.edited_at)}; what came is kept
            </small>
          )}
        </h3>
        {entry.readable ? (
          <textarea
            aria-label="The event's text"
            spellCheck={false}
            value={text}
            rows={Math.min(22, Math.max(8, text.split("\n").length))}
            onChange={(e) => set_text(e.currentTarget.value)}
          />
        ) : (
          <p>This version cannot read its record. Its bytes are kept.</p>
        )}
        {wrong && entry.readable && (
          <p className={styles.error} role="alert">
            {wrong}
          </p>
        )}
        <div className={styles.buttons}>
          <Button variant="default" size="sm" disabled={wrong !== null} loading={trial.isPending} onClick={() => trial.mutate(text)}>
            Try it
          </Button>
          <Button variant="default" size="sm" disabled={!changed || wrong !== null} loading={edit.isPending} onClick={() => edit.mutate(text)}>
            Save the edit
          </Button>
          {(entry.edited || text !== original) && (
            <Button
              variant="subtle"
              size="sm"
              onClick={() => {
                set_text(original);
                if (entry.edited) edit.mutate("");
              }}
            >
              Back to what came
            </Button>
          )}
        </div>
      </section>
      {trial.data && <TrialResult trial={trial.data} />}
      {error && <ErrorNote error={error} />}
      <div className={styles.end}>
        <Button
          size="sm"
          disabled={changed || !entry.readable}
          title={changed ? "Save the edit first" : undefined}
          loading={redrive.isPending}
          onClick={() => redrive.mutate({ select }, { onSuccess: close })}
        >
          Drive it again
        </Button>
        {sure ? (
          <Button size="sm" color="red" loading={discard.isPending} onClick={() => discard.mutate({ select }, { onSuccess: close })}>
            Delete it for good
          </Button>
        ) : (
          <Button size="sm" variant="default" onClick={() => set_sure(true)}>
            Discard…
          </Button>
        )}
        <Link to={`/trace/${entry.uuid}`}>Trace</Link>
      </div>
    </div>
  );
}

export function EntryDrawer({ project, id, on_close }: { project: number; id: string; on_close: () => void }) {
  const entry = useQuarantinedEvent(project, id);
  return (
    <Drawer
      opened={id !== ""}
      onClose={on_close}
      position="right"
      size={640}
      title={<span className={styles.title}>{entry.data?.event || "Event in quarantine"}</span>}
    >
      {entry.isPending && id !== "" && <FullLoader />}
      {entry.error && <ErrorNote error={entry.error} />}
      {entry.data && <Whole key={entry.data.id} project={project} entry={entry.data} close={on_close} />}
    </Drawer>
  );
}
