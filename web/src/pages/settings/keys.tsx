// API keys for programs: shown once when made, revoked here.
import { Button, Modal, Select, TextInput } from "@mantine/core";
import { IconPlus } from "@tabler/icons-react";
import { useMutation } from "@tanstack/react-query";
import { useState, type FormEvent } from "react";

import { api } from "../../api/client";
import { useKeys } from "../../api/queries";
import type { ApiKey } from "../../api/types";
import { query_client } from "../../app/client";
import { useProject } from "../../app/project";
import { CopyButton } from "../../components/copy_button";
import { ErrorNote } from "../../components/error_note";
import { day_and_time } from "../../lib/format";
import { Section } from "./section";
import styles from "./settings.module.css";

function refresh(): Promise<void> {
  return query_client.invalidateQueries({ queryKey: ["keys"] });
}

function NewKey() {
  const { projects } = useProject();
  const [scope, set_scope] = useState("0");
  const create = useMutation({
    mutationFn: (label: string) =>
      api<{ key: string }>("/keys", { body: { label, project_id: Number(scope) } }),
    onSuccess: refresh,
  });
  if (create.data) {
    return (
      <div className={styles.fresh}>
        <p>Copy it now: it is kept only as a hash and cannot be shown again.</p>
        <code>{create.data.key}</code>
        <CopyButton text={create.data.key} label="Copy key" />
      </div>
    );
  }
  const submit = (e: FormEvent<HTMLFormElement>): void => {
    e.preventDefault();
    create.mutate(String(new FormData(e.currentTarget).get("label")));
  };
  return (
    <form onSubmit={submit}>
      <TextInput name="label" label="What is it for?" required data-autofocus />
      <Select
        label="May see"
        mt="sm"
        value={scope}
        onChange={(value) => set_scope(value ?? "0")}
        allowDeselect={false}
        data={[
          { value: "0", label: "Every project" },
          ...projects.map((p) => ({ value: String(p.id), label: `Only ${p.name}` })),
        ]}
      />
      {create.error && <ErrorNote error={create.error} mt="md" />}
      <Button type="submit" mt="lg" fullWidth loading={create.isPending}>
        Create key
      </Button>
    </form>
  );
}

function Row({ item, scope }: { item: ApiKey; scope: string }) {
  const [sure, set_sure] = useState(false);
  const revoke = useMutation({
    mutationFn: () => api(`/keys/${item.id}`, { method: "DELETE" }),
    onSuccess: refresh,
  });
  return (
    <li className={styles.key}>
      <div>
        <b>{item.label || "Without a label"}</b>
        <span>
          <code>{item.prefix}…</code> {scope}, made {day_and_time(item.created_at, false)}
        </span>
        {revoke.error && <ErrorNote error={revoke.error} />}
      </div>
      <Button
        variant={sure ? "filled" : "default"}
        color={sure ? "red" : undefined}
        size="compact-sm"
        loading={revoke.isPending}
        onClick={() => (sure ? revoke.mutate() : set_sure(true))}
        onBlur={() => set_sure(false)}
      >
        {sure ? "Really revoke" : "Revoke"}
      </Button>
    </li>
  );
}

export function Keys() {
  const keys = useKeys();
  const { projects } = useProject();
  const [open, set_open] = useState(false);
  const scope = (id: number): string =>
    id === 0 ? "sees every project" : `sees only ${projects.find((p) => p.id === id)?.name ?? id}`;
  return (
    <Section title="API keys" hint="For programs: Authorization: Bearer phx_… They read data, so keep them secret.">
      {keys.error && <ErrorNote error={keys.error} mb="md" retry={() => void keys.refetch()} />}
      <ul className={styles.list}>
        {(keys.data ?? []).map((k) => (
          <Row key={k.id} item={k} scope={scope(k.project_id)} />
        ))}
      </ul>
      <Button variant="default" leftSection={<IconPlus size={16} />} onClick={() => set_open(true)}>
        New key
      </Button>
      <Modal opened={open} onClose={() => set_open(false)} title={<b>New API key</b>}>
        <NewKey />
      </Modal>
    </Section>
  );
}
