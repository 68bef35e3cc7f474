// Visitors who keep no cookie: whether the server makes ids for them, and whose days they last.
import { Select, TextInput } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { useState, type FormEvent } from "react";

import { api } from "../../api/client";
import { useSettings } from "../../api/queries";
import type { Project } from "../../api/types";
import { query_client } from "../../app/client";
import { ErrorNote } from "../../components/error_note";
import { Save } from "./save";
import { Section } from "./section";
import styles from "./browser_sdk.module.css";

interface Setting {
  cookieless_server_hash_mode?: string;
  timezone?: string;
}

const kModes = [
  { value: "disabled", label: "Off: their events are dropped" },
  { value: "stateless", label: "Stateless: one session a day, nobody is identified" },
  { value: "stateful", label: "Stateful: sessions of 30 minutes, identify works" },
];

function Form({ project, saved }: { project: Project; saved: Setting }) {
  const [mode, set_mode] = useState(saved.cookieless_server_hash_mode ?? "disabled");
  const [zone, set_zone] = useState(saved.timezone ?? "");
  const save = useMutation({
    mutationFn: () =>
      api(`/projects/${project.id}/settings/cookieless`, {
        method: "PUT",
        body: {
          cookieless_server_hash_mode: mode,
          ...(zone.trim() !== "" && { timezone: zone.trim() }),
        },
      }),
    onSuccess: () => query_client.invalidateQueries({ queryKey: ["settings", project.id] }),
  });
  const submit = (e: FormEvent<HTMLFormElement>): void => {
    e.preventDefault();
    save.mutate();
  };
  return (
    <form className={styles.editor} onSubmit={submit} onChange={() => save.reset()}>
      <Select
        label="Visitors without cookies"
        data={kModes}
        value={mode}
        allowDeselect={false}
        onChange={(value) => {
          save.reset();
          set_mode(value ?? "disabled");
        }}
      />
      <TextInput
        label="Time zone"
        description="Whose midnight begins a new day when an event names no time zone."
        placeholder="UTC"
        value={zone}
        onChange={(e) => set_zone(e.currentTarget.value)}
      />
      <Save save={save} what="cookieless" className={styles.actions} />
    </form>
  );
}

export function Cookieless({ project }: { project: Project }) {
  const settings = useSettings(project.id);
  return (
    <Section
      title="Cookieless"
      hint="For posthog-js with cookieless_mode: ids are hashes of a day, and no address is kept."
    >
      {settings.error && <ErrorNote error={settings.error} retry={() => void settings.refetch()} />}
      {settings.data && <Form project={project} saved={settings.data["cookieless"] ?? {}} />}
    </Section>
  );
}
