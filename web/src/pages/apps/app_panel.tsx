// One app of the project: its configuration, a trial, its code and versions, and what it logs.
import { Button, Select, Tabs, Textarea } from "@mantine/core";
import { useState } from "react";

import { useAppChange, useAppFiles, useAppLogs, type App, type AppConfig } from "../../api/apps";
import { api } from "../../api/client";
import { ErrorNote } from "../../components/error_note";
import { FullLoader } from "../../components/full_loader";
import { clock, day_and_time } from "../../lib/format";
import { ConfigForm } from "./config_form";
import { Trial } from "./trial";
import styles from "./apps.module.css";

function Logs({ project, config }: { project: number; config: AppConfig }) {
  const { data, error } = useAppLogs(project, config.id);
  if (error) return <ErrorNote error={error} />;
  if (data?.results.length === 0) return <p className="muted">It has logged nothing since Penstock was started.</p>;
  return (
    <ol className={styles.logs} aria-label="Log lines">
      {data?.results.toReversed().map((line) => (
        <li key={line.number} data-type={line.type}>
          <time dateTime={line.timestamp} className="num">
            {clock(line.timestamp)}
          </time>
          <span>{line.type}</span>
          <code>{line.message}</code>
        </li>
      ))}
    </ol>
  );
}

function Code({ project, app, config }: { project: number; app: App; config: AppConfig }) {
  const { data, error } = useAppFiles(project, app.id);
  const [file, set_file] = useState(app.main);
  const [edited, set_edited] = useState<Record<string, string>>({});
  const publish = useAppChange(project, () =>
    api(`/projects/${project}/apps/${app.id}/versions`, { body: { files: { ...data?.files, ...edited } } }),
  );
  const use = useAppChange(project, (version: number) => api(`/projects/${project}/apps/${app.id}/use`, { body: { version } }));
  if (error) return <ErrorNote error={error} />;
  if (!data) return <FullLoader />;
  const is_edited = Object.keys(edited).length > 0;
  const files = { ...data.files, ...edited };
  return (
    <div className={styles.form}>
      <div className={styles.pair}>
        <Select label="File" data={Object.keys(data.files)} value={file} allowDeselect={false} onChange={(f) => set_file(f ?? app.main)} />
        <Select label="Version" value={String(app.version)} allowDeselect={false}
          data={data.versions.toReversed().map((v) => ({ value: String(v.version), label: `${v.version} · ${v.source}, ${day_and_time(v.created_at)}` }))}
          onChange={(v) => v && use.mutate(Number(v))} />
      </div>
      <Textarea aria-label={`Code of ${file}`} className={styles.code} autosize minRows={14} maxRows={32} spellCheck={false} value={files[file] ?? ""}
        onChange={(e) => set_edited({ ...edited, [file]: e.currentTarget.value })} />
      {(publish.error ?? use.error) && <ErrorNote error={(publish.error ?? use.error)!} />}
      <div className={styles.actions}>
        <Button disabled={!is_edited} loading={publish.isPending} onClick={() => publish.mutate(undefined, { onSuccess: () => set_edited({}) })}>
          Publish as version {Math.max(...data.versions.map((v) => v.version)) + 1}
        </Button>
        {is_edited && (
          <Button variant="default" onClick={() => set_edited({})}>
            Undo the edits
          </Button>
        )}
      </div>
      <h3 className={styles.sub}>Try {is_edited ? "the edited code" : "it"}</h3>
      <Trial project={project} app={app} config={config} files={is_edited ? files : undefined} />
    </div>
  );
}

export function AppPanel({ project, app, config }: { project: number; app: App; config: AppConfig }) {
  const remove = useAppChange(project, () => api(`/projects/${project}/app_configs/${config.id}`, { method: "DELETE" }));
  const broken = config.status?.last_error?.message ?? config.error?.message;
  return (
    <div className={styles.panel} data-testid="app-panel">
      {broken && <ErrorNote error={new Error(broken)} title="Its last error" />}
      <Tabs defaultValue="config" keepMounted={false}>
        <Tabs.List>
          <Tabs.Tab value="config">Configuration</Tabs.Tab>
          <Tabs.Tab value="test">Test</Tabs.Tab>
          <Tabs.Tab value="code">Code</Tabs.Tab>
          <Tabs.Tab value="logs">Logs</Tabs.Tab>
        </Tabs.List>
        <Tabs.Panel value="config" pt="md">
          <ConfigForm project={project} app={app} config={config} />
          {!config.enabled && (
            <Button variant="subtle" color="red" mt="lg" loading={remove.isPending} onClick={() => remove.mutate(undefined)}>
              Remove it from this project
            </Button>
          )}
        </Tabs.Panel>
        <Tabs.Panel value="test" pt="md">
          <Trial project={project} app={app} config={config} />
        </Tabs.Panel>
        <Tabs.Panel value="code" pt="md">
          <Code project={project} app={app} config={config} />
        </Tabs.Panel>
        <Tabs.Panel value="logs" pt="md">
          <Logs project={project} config={config} />
        </Tabs.Panel>
      </Tabs>
    </div>
  );
}
