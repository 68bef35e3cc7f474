// One app of the project: its configuration, a trial, its code and versions, and what it logs.
import { Button, Tabs } from "@mantine/core";
import { Suspense, lazy } from "react";

import { useAppChange, useAppLogs, type App, type AppConfig } from "../../api/apps";
import { api } from "../../api/client";
import { ErrorNote } from "../../components/error_note";
import { FullLoader } from "../../components/full_loader";
import { clock } from "../../lib/format";
import { jobs_shown, kPastEvents } from "../../lib/job_form";
import { ConfigForm } from "./config_form";
import { FilterForm } from "./filter_form";
import { Jobs } from "./jobs";
import { PastEvents } from "./past_events";
import { Trial } from "./trial";
import styles from "./apps.module.css";

// The editor comes when somebody looks at code.
const Code = lazy(async () => ({ default: (await import("./code")).Code }));

function Logs({ project, config }: { project: number; config: AppConfig }) {
  const { data, error } = useAppLogs(project, config.id);
  if (error) return <ErrorNote error={error} />;
  if (data?.results.length === 0) return <p className="muted">It has logged nothing yet.</p>;
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

export function AppPanel({ project, app, config }: { project: number; app: App; config: AppConfig }) {
  const remove = useAppChange(project, () => api(`/projects/${project}/app_configs/${config.id}`, { method: "DELETE" }));
  const exports = app.capabilities?.methods?.includes("exportEvents") ?? false;
  const own = app.capabilities?.jobs?.includes(kPastEvents) ?? false;
  const jobs = jobs_shown(app.public_jobs, exports && !own);
  const broken = config.status?.last_error?.message ?? config.error?.message;
  return (
    <div className={styles.panel} data-testid="app-panel">
      {broken && <ErrorNote error={new Error(broken)} title="Its last error" mt="xs" mb="xs" />}
      <Tabs defaultValue="config" keepMounted={false}>
        <Tabs.List>
          <Tabs.Tab value="config">Configuration</Tabs.Tab>
          <Tabs.Tab value="filters">Filters</Tabs.Tab>
          <Tabs.Tab value="test">Test</Tabs.Tab>
          <Tabs.Tab value="code">Code</Tabs.Tab>
          <Tabs.Tab value="logs">Logs</Tabs.Tab>
          {jobs.length > 0 && <Tabs.Tab value="jobs">Jobs</Tabs.Tab>}
          {exports && <Tabs.Tab value="past">Past events</Tabs.Tab>}
        </Tabs.List>
        <Tabs.Panel value="config" pt="md">
          <ConfigForm project={project} app={app} config={config} />
          {!config.enabled && (
            <Button variant="subtle" color="red" mt="lg" loading={remove.isPending} onClick={() => remove.mutate(undefined)}>
              Remove it from this project
            </Button>
          )}
        </Tabs.Panel>
        <Tabs.Panel value="filters" pt="md">
          <FilterForm project={project} config={config} />
        </Tabs.Panel>
        <Tabs.Panel value="test" pt="md">
          <Trial project={project} app={app} config={config} />
        </Tabs.Panel>
        <Tabs.Panel value="code" pt="md">
          <Suspense fallback={<FullLoader />}>
            <Code project={project} app={app} config={config} />
          </Suspense>
        </Tabs.Panel>
        <Tabs.Panel value="logs" pt="md">
          <Logs project={project} config={config} />
        </Tabs.Panel>
        {jobs.length > 0 && (
          <Tabs.Panel value="jobs" pt="md">
            <Jobs project={project} config={config} jobs={jobs} />
          </Tabs.Panel>
        )}
        {exports && (
          <Tabs.Panel value="past" pt="md">
            <PastEvents project={project} config={config} />
          </Tabs.Panel>
        )}
      </Tabs>
    </div>
  );
}
