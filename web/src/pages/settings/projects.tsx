// The projects with their tokens; a new one may take a token that events already come with.
import { Button, TextInput, Modal } from "@mantine/core";
import { IconPlus } from "@tabler/icons-react";
import { useMutation } from "@tanstack/react-query";
import { useState, type FormEvent } from "react";

import { api } from "../../api/client";
import type { Project } from "../../api/types";
import { query_client } from "../../app/client";
import { useProject } from "../../app/project";
import { CopyIcon } from "../../components/copy_button";
import { ErrorNote } from "../../components/error_note";
import { Section } from "./section";
import styles from "./settings.module.css";

function refresh(): Promise<void> {
  return query_client.invalidateQueries({ queryKey: ["projects"] });
}

function NewProject({ on_done }: { on_done: () => void }) {
  const create = useMutation({
    mutationFn: (body: { name: string; token?: string }) => api<Project>("/projects", { body }),
    onSuccess: async () => {
      await refresh();
      on_done();
    },
  });
  const submit = (e: FormEvent<HTMLFormElement>): void => {
    e.preventDefault();
    const data = new FormData(e.currentTarget);
    const token = String(data.get("token") ?? "").trim();
    create.mutate({ name: String(data.get("name")), ...(token ? { token } : {}) });
  };
  return (
    <form onSubmit={submit}>
      <TextInput name="name" label="Name" required data-autofocus />
      <TextInput
        name="token"
        label="Token"
        mt="sm"
        placeholder="phc_…"
        description="Leave empty for a fresh one. With a token that waits in quarantine, its events flow in."
      />
      {create.error && <ErrorNote error={create.error} mt="md" />}
      <Button type="submit" mt="lg" fullWidth loading={create.isPending}>
        Create project
      </Button>
    </form>
  );
}

function Row({ project }: { project: Project }) {
  const [name, set_name] = useState(project.name);
  const rename = useMutation({
    mutationFn: () => api(`/projects/${project.id}`, { method: "PATCH", body: { name } }),
    onSuccess: refresh,
  });
  return (
    <li>
      <form
        className={styles.name}
        onSubmit={(e) => {
          e.preventDefault();
          rename.mutate();
        }}
      >
        <TextInput
          aria-label={`Name of project ${project.id}`}
          value={name}
          onChange={(e) => set_name(e.currentTarget.value)}
          error={rename.error?.message}
        />
        {name !== project.name && name.trim() !== "" && (
          <Button type="submit" variant="default" loading={rename.isPending}>
            Rename
          </Button>
        )}
      </form>
      <div className={styles.token}>
        <code>{project.token}</code>
        <CopyIcon text={project.token} label="Copy token" />
      </div>
    </li>
  );
}

export function Projects({ operator }: { operator: boolean }) {
  const { projects } = useProject();
  const [open, set_open] = useState(false);
  return (
    <Section title="Projects" hint="Each has its own token. SDKs send it with every event; it is no secret.">
      <ul className={styles.list}>
        {projects.map((p) => (
          <Row key={p.id} project={p} />
        ))}
      </ul>
      {operator && (
        <Button variant="default" leftSection={<IconPlus size={16} />} onClick={() => set_open(true)}>
          New project
        </Button>
      )}
      <Modal opened={open} onClose={() => set_open(false)} title={<b>New project</b>}>
        <NewProject on_done={() => set_open(false)} />
      </Modal>
    </Section>
  );
}
