// What an app makes of an event, given or real, before and after, without storing anything.
import { Button, SegmentedControl, Textarea, TextInput } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";

import type { App, AppConfig, AppTrial } from "../../api/apps";
import { api } from "../../api/client";
import { ErrorNote } from "../../components/error_note";
import styles from "./apps.module.css";

const kExample = JSON.stringify(
  { event: "$pageview", distinct_id: "somebody", properties: { $current_url: "https://example.com/?utm_source=mail", $ip: "203.0.113.7" } },
  null, 2);
const kFates = {
  unchanged: "It comes out as it went in.",
  changed: "It is changed.",
  dropped: "It is dropped.",
  failed: "The app failed, so the event goes on as it was.",
  quarantined: "What comes out is no event: it would be quarantined.",
  skipped: "Its filters keep the event from it.",
};

function Diff({ trial }: { trial: AppTrial }) {
  const diff = trial.diff ?? {};
  const before = (trial.before.properties ?? {}) as Record<string, unknown>;
  const rows = [
    ...Object.entries(diff.fields ?? {}).map(([key, to]) => ({ key, from: trial.before[key], to })),
    ...Object.entries(diff.set ?? {}).map(([key, to]) => ({ key, from: before[key], to })),
    ...(diff.unset ?? []).map((key) => ({ key, from: before[key], to: undefined })),
  ];
  if (rows.length === 0) return null;
  return (
    <table className={styles.diff} data-testid="app-diff">
      <thead>
        <tr>
          <th scope="col">Property</th>
          <th scope="col">Before</th>
          <th scope="col">After</th>
        </tr>
      </thead>
      <tbody>
        {rows.map(({ key, from, to }) => (
          <tr key={key}>
            <th scope="row">{key}</th>
            <td data-gone={from !== undefined}>{from === undefined ? "—" : JSON.stringify(from)}</td>
            <td data-new={to !== undefined}>{to === undefined ? "—" : JSON.stringify(to)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** `files`: edited ones instead of the version that runs. */
export function Trial({ project, app, config, files }: { project: number; app: App; config: AppConfig; files?: Record<string, string> }) {
  const [kind, set_kind] = useState("example");
  const [event, set_event] = useState(kExample);
  const [uuid, set_uuid] = useState("");
  const run = useMutation({
    mutationFn: async () => {
      const asked = kind === "example" ? { event: JSON.parse(event) as unknown } : { uuid: uuid.trim() };
      return api<AppTrial>(`/projects/${project}/apps/${app.id}/test`, {
        body: { ...asked, app_config: config.id, ...(files ? { files } : {}) },
      });
    },
  });
  return (
    <div className={styles.form}>
      <SegmentedControl value={kind} onChange={set_kind} className={styles.kind}
        data={[{ value: "example", label: "An example" }, { value: "real", label: "A real event" }]} />
      {kind === "example" ? (
        <Textarea label="Event" autosize minRows={6} maxRows={16} className={styles.code} value={event} onChange={(e) => set_event(e.currentTarget.value)} />
      ) : (
        <TextInput label="Its uuid" description="As Live, Events and Trace show it." value={uuid} onChange={(e) => set_uuid(e.currentTarget.value)} />
      )}
      <div className={styles.actions}>
        <Button variant="default" loading={run.isPending} onClick={() => run.mutate()}>
          Run the app on it
        </Button>
      </div>
      {run.error && <ErrorNote error={run.error} />}
      {run.data && (
        <div className={styles.result} data-testid="app-trial">
          <p>
            <b>{kFates[run.data.fate]}</b> <span className="muted">{run.data.cpu_us} µs of CPU</span>
          </p>
          {run.data.error && <p className={styles.bad}>{run.data.error}</p>}
          <Diff trial={run.data} />
          {run.data.logs.map((line) => (
            <code key={line.number} className={styles.line}>
              {line.type} {line.message}
            </code>
          ))}
        </div>
      )}
    </div>
  );
}
