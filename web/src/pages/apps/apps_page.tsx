// Apps: what changes or drops events on their way in, in the order in which it runs.
import { Badge, Button, Switch } from "@mantine/core";
import { IconChevronDown, IconGripVertical } from "@tabler/icons-react";
import { useState, type DragEvent, type KeyboardEvent } from "react";

import { useAppChange, useAppConfigs, useApps, useAppTemplates, type App, type AppConfig, type AppStatus, type AppTemplate } from "../../api/apps";
import { api } from "../../api/client";
import { useProject } from "../../app/project";
import { ErrorNote } from "../../components/error_note";
import { FullLoader } from "../../components/full_loader";
import { PageHeader } from "../../components/page_header";
import page from "../../components/page.module.css";
import { moved } from "../../lib/app_form";
import { share_of, share_words } from "../../lib/app_share";
import { clock, plural, whole } from "../../lib/format";
import { AppPanel } from "./app_panel";
import { Install } from "./install";
import styles from "./apps.module.css";

const kColours = { loading: "gray", healthy: "teal", degraded: "yellow", disabled: "red", failed: "red" };

/** How much of the project goes through it, and what it costs. */
function Share({ status }: { status: AppStatus }) {
  const share = share_of(status);
  if (!share) return <span className={styles.share_words}>No event has come to its turn yet</span>;
  return (
    <div className={styles.factor} data-testid="app-factor">
      <span className={styles.bar} aria-hidden>
        <i data-part="seen" style={{ width: `${share.seen * 100}%` }} />
        <i data-part="changed" style={{ width: `${share.changed * 100}%` }} />
        <i data-part="dropped" style={{ width: `${share.dropped * 100}%` }} />
      </span>
      <span className={`${styles.share_words} num`} title={`Of ${plural(status.offered, "event")} that came to its turn`}>
        saw {share_words(share.seen)}
        <b data-part="changed">changed {share_words(share.changed)}</b>
        <b data-part="dropped" data-none={share.dropped === 0}>dropped {share_words(share.dropped)}</b>
        <span>{status.cpu_us_per_event} µs each</span>
      </span>
    </div>
  );
}

function Figures({ config }: { config: AppConfig }) {
  const s = config.status;
  if (!config.enabled) return <span className={styles.figures}>Off</span>;
  if (!s) return <span className={styles.figures}>Not running yet</span>;
  return (
    <div className={styles.figures}>
      <Badge color={kColours[s.health]} variant="light" title={s.retry_at ? `It is tried again at ${clock(s.retry_at)}` : undefined}>
        {s.health}
      </Badge>
      <span className="num">{plural(s.events, "event")}</span>
      {s.failed > 0 && <span className="num" data-bad={true}>{whole(s.failed)} failed</span>}
      {s.filters_error && (
        <span data-bad={true} title={s.filters_error}>
          {whole(s.filtering_failed)} not asked: {s.filters_error}
        </span>
      )}
      <Share status={s} />
    </div>
  );
}

interface RowProps {
  project: number;
  app: App;
  config: AppConfig;
  place: number;
  move: (from: number, to: number) => void;
}

function AppRow({ project, app, config, place, move }: RowProps) {
  const [open, set_open] = useState(false);
  const turn = useAppChange(project, (enabled: boolean) =>
    api(`/projects/${project}/app_configs/${config.id}`, { method: "PATCH", body: { enabled } }),
  );
  const on_key = (e: KeyboardEvent) => {
    if (e.key !== "ArrowUp" && e.key !== "ArrowDown") return;
    e.preventDefault();
    move(place, e.key === "ArrowUp" ? place - 1 : place + 1);
  };
  const on_drop = (e: DragEvent) => {
    e.preventDefault();
    move(Number(e.dataTransfer.getData("text/plain")), place);
  };
  return (
    <li className={`panel ${styles.app}`} data-testid={`app-${config.id}`} onDragOver={(e) => e.preventDefault()} onDrop={on_drop}>
      <div className={styles.head}>
        <button type="button" className={styles.grip} draggable aria-label={`Move ${config.name}; place ${place + 1}`}
          onDragStart={(e) => e.dataTransfer.setData("text/plain", String(place))} onKeyDown={on_key}>
          <IconGripVertical size={18} aria-hidden />
        </button>
        <div className={styles.title}>
          <h2>{config.name}</h2>
          <p>{app.description}</p>
        </div>
        <Figures config={config} />
        <Switch checked={config.enabled} disabled={turn.isPending} aria-label={`${config.name} is on`}
          onChange={(e) => turn.mutate(e.currentTarget.checked)} />
        <button type="button" className={styles.more} aria-expanded={open} aria-label={`${config.name} in detail`} onClick={() => set_open(!open)}>
          <IconChevronDown size={18} aria-hidden data-open={open} />
        </button>
      </div>
      {turn.error && <ErrorNote error={turn.error} m="md" />}
      {open && <AppPanel project={project} app={app} config={config} />}
    </li>
  );
}

function Catalogue({ project }: { project: number }) {
  const { data, error } = useAppTemplates(project);
  const add = useAppChange(project, async (template: AppTemplate) => {
    const app = await api<App>(`/projects/${project}/apps`, { body: { template: template.id } });
    return api<AppConfig>(`/projects/${project}/app_configs`, { body: { app: app.id } });
  });
  if (error) return <ErrorNote error={error} />;
  return (
    <section aria-label="Catalogue" className={styles.catalogue}>
      <h2>Catalogue</h2>
      <p className="muted">
        Comes with Penstock; each is added switched off. Apps of your own: <code>penstock app new</code>, then <code>penstock app deploy</code>.
      </p>
      {add.error && <ErrorNote error={add.error} />}
      <ul>
        {data?.results.map((t) => (
          <li key={t.id} className="panel">
            <div>
              <b>{t.name}</b>
              <p>{t.description}</p>
            </div>
            <Button variant="default" size="xs" loading={add.isPending && add.variables.id === t.id} onClick={() => add.mutate(t)} aria-label={`Add ${t.name}`}>
              Add
            </Button>
          </li>
        ))}
      </ul>
    </section>
  );
}

export default function AppsPage() {
  const { project } = useProject();
  const apps = useApps(project.id);
  const configs = useAppConfigs(project.id);
  const order = useAppChange(project.id, (ids: number[]) =>
    api(`/projects/${project.id}/app_configs/order`, { method: "PUT", body: { ids } }),
  );
  const list = configs.data?.results ?? [];
  const error = apps.error ?? configs.error ?? order.error;
  const move = (from: number, to: number): void => {
    if (to < 0 || to >= list.length || from === to) return;
    order.mutate(moved(list, from, to).map((c) => c.id));
  };
  return (
    <div className={page.page}>
      <PageHeader title="Apps" hint="They change or drop events before anything is stored, one after the other in this order. An app that fails costs its own result: the event goes on as it was." />
      {error && <ErrorNote error={error} />}
      {(apps.isPending || configs.isPending) && <FullLoader />}
      {configs.data && !configs.data.running && (
        <p className="muted">Apps do not run in this process: events pass them by, and they cannot be tried.</p>
      )}
      {configs.data && list.length === 0 && (
        <div className={`panel ${styles.none}`} data-testid="no-apps">
          <b>No apps yet</b>
          <p>Every event of {project.name} is stored as it comes. Add one from the catalogue, or write your own.</p>
        </div>
      )}
      <ol className={styles.apps} aria-label="Apps in their order">
        {list.map((config, place) => {
          const app = apps.data?.results.find((a) => a.id === config.app);
          return app && <AppRow key={config.id} project={project.id} app={app} config={config} place={place} move={move} />;
        })}
      </ol>
      {configs.data && <Install project={project.id} configs={list} />}
      <Catalogue project={project.id} />
    </div>
  );
}
