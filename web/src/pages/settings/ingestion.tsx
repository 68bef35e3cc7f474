// What becomes of a project's events beyond the common rules: profiles, addresses, age, filters.
import { ActionIcon, Button, SegmentedControl, Select, Switch, TextInput } from "@mantine/core";
import { IconPlus, IconTrash } from "@tabler/icons-react";
import { useMutation } from "@tanstack/react-query";
import { useState, type FormEvent } from "react";

import { api } from "../../api/client";
import { useSettings } from "../../api/queries";
import type { Project } from "../../api/types";
import { query_client } from "../../app/client";
import { ErrorNote } from "../../components/error_note";
import { FullLoader } from "../../components/full_loader";
import { from_form, kSwitches, to_form, type FilterMode, type Ingestion as Saved, type Test } from "../../lib/ingestion_form";
import { Save } from "./save";
import { Section } from "./section";
import styles from "./ingestion.module.css";

const kModes = [
  { value: "disabled", label: "Off" },
  { value: "dry_run", label: "Only count" },
  { value: "live", label: "Drop" },
];
const kFields = [
  { value: "event", label: "Event name" },
  { value: "distinct_id", label: "Distinct id" },
];
const kHows = [
  { value: "exact", label: "is" },
  { value: "contains", label: "contains" },
];

function OneTest({ test, name, change, remove }: { test: Test; name: string; change: (t: Test) => void; remove: () => void }) {
  return (
    <li aria-label={name}>
      <Select aria-label="Field" data={kFields} value={test.field} allowDeselect={false} onChange={(v) => change({ ...test, field: v === "distinct_id" ? v : "event" })} />
      <Select aria-label="How" data={kHows} value={test.how} allowDeselect={false} onChange={(v) => change({ ...test, how: v === "contains" ? v : "exact" })} />
      <TextInput aria-label="Text" placeholder="exactly as it is written" value={test.text} onChange={(e) => change({ ...test, text: e.currentTarget.value })} />
      <ActionIcon variant="subtle" color="gray" aria-label={`Remove ${name}`} onClick={remove}>
        <IconTrash size={16} />
      </ActionIcon>
    </li>
  );
}

function Tests({ tests, change }: { tests: Test[] | null; change: (tests: Test[]) => void }) {
  if (tests === null) {
    return <p className={styles.hint}>This project's filter is a tree written through the API; only its mode can be changed here.</p>;
  }
  return (
    <>
      <p className={styles.hint}>One condition that holds is enough.</p>
      {tests.length > 0 && (
        <ul className={styles.tests}>
          {tests.map((t, i) => (
            <OneTest
              key={i}
              name={`condition ${i + 1}`}
              test={t}
              change={(next) => change(tests.map((old, n) => (n === i ? next : old)))}
              remove={() => change(tests.filter((_, n) => n !== i))}
            />
          ))}
        </ul>
      )}
      <Button variant="default" size="compact-md" leftSection={<IconPlus size={15} />} onClick={() => change([...tests, { field: "event", how: "exact", text: "" }])}>
        Add a condition
      </Button>
    </>
  );
}

function Form({ project, saved }: { project: number; saved: Saved }) {
  const [form, set_form] = useState(() => to_form(saved));
  const save = useMutation({
    mutationFn: () => api(`/projects/${project}/settings/ingestion`, { method: "PUT", body: from_form(form, saved) }),
    onSuccess: () => query_client.invalidateQueries({ queryKey: ["settings", project] }),
  });
  const put = (part: Partial<typeof form>): void => {
    save.reset();
    set_form({ ...form, ...part });
  };
  const submit = (e: FormEvent<HTMLFormElement>): void => {
    e.preventDefault();
    save.mutate();
  };
  return (
    <form className={styles.form} onSubmit={submit}>
      <div className={styles.switches}>
        {kSwitches.map((s) => (
          <Switch
            key={s.id}
            label={s.label}
            description={s.hint}
            checked={form.switches[s.id] ?? false}
            onChange={(e) => put({ switches: { ...form.switches, [s.id]: e.currentTarget.checked } })}
          />
        ))}
      </div>
      <div className={styles.part}>
        <TextInput
          label="Drop events older than, in hours"
          description="Age when it was received. They are counted as dropped, with a warning."
          placeholder="never"
          inputMode="decimal"
          value={form.hours}
          onChange={(e) => put({ hours: e.currentTarget.value })}
        />
      </div>
      <div className={styles.part}>
        <h3>Event filter</h3>
        <SegmentedControl aria-label="What the filter does" data={kModes} value={form.mode} onChange={(mode) => put({ mode: mode as FilterMode })} />
        <Tests tests={form.tests} change={(tests) => put({ tests })} />
      </div>
      <Save save={save} what="ingestion" />
    </form>
  );
}

export function Ingestion({ project }: { project: Project }) {
  const settings = useSettings(project.id);
  return (
    <Section title="Ingestion" hint={`What becomes of the events of ${project.name} once they are taken.`}>
      {settings.error && <ErrorNote error={settings.error} retry={() => void settings.refetch()} />}
      {settings.data ? (
        <Form project={project.id} saved={(settings.data["ingestion"] ?? {}) as Saved} />
      ) : (
        !settings.error && <FullLoader />
      )}
    </Section>
  );
}
