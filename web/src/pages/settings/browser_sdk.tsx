// What posthog-js is told to do on this project's pages: switches, recording, and JSON for the rest.
import { Alert, Button, NumberInput, Switch } from "@mantine/core";
import { IconCheck } from "@tabler/icons-react";
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";

import { api } from "../../api/client";
import { useSettings } from "../../api/queries";
import type { Project } from "../../api/types";
import { query_client } from "../../app/client";
import { ErrorNote } from "../../components/error_note";
import { JsonObjectField } from "../../components/json_object_field";
import {
  kSwitches,
  recording_of,
  with_recording,
  type Recording,
  type RemoteConfig,
} from "../../lib/remote_config";
import { Section } from "./section";
import styles from "./browser_sdk.module.css";

type Change = (next: RemoteConfig) => void;

function RecordingChoice({ config, change }: { config: RemoteConfig; change: Change }) {
  const now = recording_of(config);
  const set = (part: Partial<Recording>): void => change(with_recording(config, { ...now, ...part }));
  return (
    <div className={styles.recording}>
      <Switch
        label="Session recording"
        description="What people see and do, as a film of the page."
        checked={now.on}
        onChange={(e) => set({ on: e.currentTarget.checked })}
      />
      {now.on && (
        <div className={styles.details}>
          <NumberInput
            label="Sample, percent"
            value={now.sample}
            min={0}
            max={100}
            decimalScale={2}
            onChange={(value) => typeof value === "number" && set({ sample: value })}
          />
          <NumberInput
            label="Minimum, seconds"
            value={now.min_seconds}
            min={0}
            max={30}
            onChange={(value) => typeof value === "number" && set({ min_seconds: value })}
          />
          <Switch
            className={styles.wide}
            label="With the console"
            checked={now.console_log}
            onChange={(e) => set({ console_log: e.currentTarget.checked })}
          />
        </div>
      )}
    </div>
  );
}

function Editor({ project, saved }: { project: Project; saved: RemoteConfig }) {
  const [config, set_config] = useState(saved);
  const [as_json, set_as_json] = useState(false);
  const save = useMutation({
    mutationFn: () => api(`/projects/${project.id}/settings/remote_config`, { method: "PUT", body: config }),
    onSuccess: () => query_client.invalidateQueries({ queryKey: ["settings", project.id] }),
  });
  const change = (next: RemoteConfig): void => {
    save.reset();
    set_config(next);
  };
  const changed = JSON.stringify(config) !== JSON.stringify(saved);
  return (
    <div className={styles.editor}>
      {as_json ? (
        <JsonObjectField
          label="Remote config"
          description="With posthog-js's own names. What is not here has its default."
          initial={config}
          wrong="This is not a JSON object yet; it is not saved like this."
          rows={[6, 20]}
          on_change={(value) => value && change(value)}
        />
      ) : (
        <>
          <div className={styles.switches}>
            {kSwitches.map((s) => (
              <Switch
                key={s.id}
                label={s.label}
                description={s.hint}
                checked={s.read(config)}
                onChange={(e) => change(s.write(config, e.currentTarget.checked))}
              />
            ))}
          </div>
          <RecordingChoice config={config} change={change} />
        </>
      )}
      {save.error && <ErrorNote error={save.error} />}
      {save.isSuccess && !changed && (
        <Alert color="teal" icon={<IconCheck size={18} />} role="status">
          Saved. Pages hear of it within a minute, at their next visit.
        </Alert>
      )}
      <div className={styles.actions}>
        <Button disabled={!changed} loading={save.isPending} onClick={() => save.mutate()}>
          Save browser settings
        </Button>
        <Button variant="subtle" onClick={() => set_as_json(!as_json)}>
          {as_json ? "Back to the switches" : "Everything else, as JSON"}
        </Button>
      </div>
    </div>
  );
}

export function BrowserSdk({ project }: { project: Project }) {
  const settings = useSettings(project.id);
  return (
    <Section title="Browser SDK" hint="What posthog-js does on your pages, without changing them.">
      {settings.error && <ErrorNote error={settings.error} retry={() => void settings.refetch()} />}
      {settings.data && <Editor project={project} saved={settings.data["remote_config"] ?? {}} />}
    </Section>
  );
}
