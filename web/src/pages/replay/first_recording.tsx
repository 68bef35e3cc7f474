// What Replay shows before anything was recorded: how to begin, with the one switch that is needed.
import { Button } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { IconMovie } from "@tabler/icons-react";
import { Link } from "react-router";

import { api } from "../../api/client";
import { useSettings } from "../../api/queries";
import type { Project } from "../../api/types";
import { query_client } from "../../app/client";
import { ErrorNote } from "../../components/error_note";
import { PageHeader } from "../../components/page_header";
import page from "../../components/page.module.css";
import { Snippets } from "../../components/snippets";
import { recording_of, with_recording } from "../../lib/remote_config";
import styles from "./recordings.module.css";

function Switched({ project }: { project: Project }) {
  const settings = useSettings(project.id);
  const config = settings.data?.["remote_config"] ?? {};
  const now = recording_of(config);
  const switch_on = useMutation({
    mutationFn: () =>
      api(`/projects/${project.id}/settings/remote_config`, {
        method: "PUT",
        body: with_recording(config, { ...now, on: true, console_log: true }),
      }),
    onSuccess: () => query_client.invalidateQueries({ queryKey: ["settings", project.id] }),
  });
  if (settings.error) return <ErrorNote error={settings.error} retry={() => void settings.refetch()} />;
  if (!settings.data) return null;
  if (now.on) {
    return (
      <p role="status" className={styles.waiting}>
        <i aria-hidden />
        Recording is on{now.sample < 100 ? ` for ${now.sample} % of the sessions` : ""}. Visit a page with
        posthog-js; its session appears here by itself, some seconds later.
      </p>
    );
  }
  return (
    <div className={styles.steps}>
      {switch_on.error && <ErrorNote error={switch_on.error} />}
      <Button loading={switch_on.isPending} onClick={() => switch_on.mutate()}>
        Switch recording on
      </Button>
      <span className="muted">
        With the console. Sample and minimum length are in <Link to="/settings">Settings</Link>.
      </span>
    </div>
  );
}

export function FirstRecording({ project }: { project: Project }) {
  return (
    <div className={page.page}>
      <PageHeader title="Replay" hint="What people saw and did, as a film of the page." />
      <section className={`panel ${styles.first}`} data-testid="first-recording">
        <IconMovie size={30} stroke={1.5} aria-hidden />
        <h2>Nothing was recorded yet</h2>
        <p>
          posthog-js records pages where the project says so: no change to the page is needed. What is typed into
          fields is masked before it leaves the browser, and recordings are removed after 30 days unless the
          configuration says otherwise.
        </p>
        <h3>1. Switch it on for {project.name}</h3>
        <Switched project={project} />
        <h3>2. Have posthog-js on the page</h3>
        <Snippets project={project} only="js" />
      </section>
    </div>
  );
}
