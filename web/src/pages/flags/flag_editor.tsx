// One flag: a form for rollout, variants and payloads; JSON for what the form cannot show.
import { ActionIcon, Alert, Button, NumberInput, Switch, Textarea, TextInput } from "@mantine/core";
import { IconInfoCircle, IconPlus, IconTrash } from "@tabler/icons-react";
import { useMutation } from "@tanstack/react-query";
import { useState, type FormEvent } from "react";

import { api } from "../../api/client";
import { query_client } from "../../app/client";
import { ErrorNote } from "../../components/error_note";
import { JsonObjectField } from "../../components/json_object_field";
import {
  decided,
  fits_form,
  flag_of,
  form_of,
  kNewForm,
  problem_of,
  type Flag,
  type FlagFilters,
  type FlagForm,
  type FormVariant,
} from "../../lib/flag_form";
import styles from "./flags.module.css";

type Set = (part: Partial<FlagForm>) => void;

function Variants({ form, set }: { form: FlagForm; set: Set }) {
  const change = (at: number, part: Partial<FormVariant>): void =>
    set({ variants: form.variants.map((v, i) => (i === at ? { ...v, ...part } : v)) });
  const add = (): void => {
    const left = 100 - form.variants.reduce((all, v) => all + v.percentage, 0);
    set({ variants: [...form.variants, { key: "", percentage: Math.max(0, left), payload: "" }] });
  };
  return (
    <fieldset className={styles.variants}>
      <legend>Variants</legend>
      {form.variants.length === 0 && <p>None: the flag is on or off.</p>}
      {form.variants.map((v, i) => (
        <div key={i} className={styles.variant}>
          <TextInput
            aria-label={`Key of variant ${i + 1}`}
            placeholder="key"
            value={v.key}
            onChange={(e) => change(i, { key: e.currentTarget.value })}
          />
          <NumberInput
            aria-label={`Share of variant ${i + 1}, percent`}
            value={v.percentage}
            min={0}
            max={100}
            decimalScale={2}
            suffix=" %"
            onChange={(value) => typeof value === "number" && change(i, { percentage: value })}
          />
          <ActionIcon
            variant="subtle"
            color="gray"
            size="lg"
            aria-label={`Remove variant ${i + 1}`}
            onClick={() => set({ variants: form.variants.filter((_, at) => at !== i) })}
          >
            <IconTrash size={17} />
          </ActionIcon>
          <TextInput
            className={styles.payload}
            classNames={{ input: styles.json }}
            aria-label={`Payload of variant ${i + 1}`}
            placeholder="Payload, as JSON"
            value={v.payload}
            onChange={(e) => change(i, { payload: e.currentTarget.value })}
          />
        </div>
      ))}
      <Button variant="default" size="compact-sm" leftSection={<IconPlus size={14} />} onClick={add}>
        Add a variant
      </Button>
    </fieldset>
  );
}

function SimpleForm({ form, set }: { form: FlagForm; set: Set }) {
  return (
    <>
      <NumberInput
        label="Rollout, percent of everybody"
        description="The same people stay in when it grows."
        value={form.rollout}
        min={0}
        max={100}
        decimalScale={2}
        onChange={(value) => typeof value === "number" && set({ rollout: value })}
      />
      <Variants form={form} set={set} />
      {form.variants.length === 0 && (
        <Textarea
          label="Payload"
          description="JSON that SDKs get with the flag when it is on."
          classNames={{ input: styles.json }}
          autosize
          minRows={2}
          maxRows={10}
          value={form.payload}
          onChange={(e) => set({ payload: e.currentTarget.value })}
        />
      )}
    </>
  );
}

export function FlagEditor({
  flag,
  project,
  on_done,
}: {
  flag: Flag | undefined;
  project: number;
  on_done: () => void;
}) {
  const [form, set_form] = useState<FlagForm>(flag ? form_of(flag) : kNewForm);
  const simple = !flag || fits_form(flag);
  const [filters, set_filters] = useState<FlagFilters | null>(flag?.filters ?? null);
  const [sure, set_sure] = useState(false);
  const set: Set = (part) => set_form({ ...form, ...part });
  const path = `/projects/${project}/feature_flags${flag ? `/${flag.id}` : ""}`;
  const done = async (): Promise<void> => {
    await query_client.invalidateQueries({ queryKey: ["flags", project] });
    on_done();
  };
  const body: Partial<Flag> = simple
    ? flag_of(form, flag)
    : { key: form.key.trim(), name: form.name, active: form.active, filters: filters ?? undefined };
  const save = useMutation({
    mutationFn: () => api(path, { method: flag ? "PATCH" : "POST", body }),
    onSuccess: done,
  });
  const remove = useMutation({ mutationFn: () => api(path, { method: "DELETE" }), onSuccess: done });
  const problem = simple ? problem_of(form) : filters ? null : "The conditions are not a JSON object.";
  const where = decided({ id: 0, key: form.key, ...flag, ...body });
  const submit = (e: FormEvent<HTMLFormElement>): void => {
    e.preventDefault();
    if (!problem) save.mutate();
  };
  return (
    <form className={styles.form} onSubmit={submit}>
      <Switch
        label={form.active ? "On" : "Off for everybody"}
        checked={form.active}
        onChange={(e) => set({ active: e.currentTarget.checked })}
      />
      <TextInput
        label="Key"
        description="What code asks for."
        required
        data-autofocus
        classNames={{ input: styles.json }}
        placeholder="new-checkout"
        value={form.key}
        onChange={(e) => set({ key: e.currentTarget.value })}
      />
      <TextInput
        label="Description"
        value={form.name}
        onChange={(e) => set({ name: e.currentTarget.value })}
      />
      {simple ? (
        <SimpleForm form={form} set={set} />
      ) : (
        <JsonObjectField
          label="Conditions, variants and payloads"
          description="This flag has more than the form shows; here it is as PostHog's filters."
          initial={flag?.filters ?? {}}
          wrong="The conditions are not a JSON object."
          rows={[8, 24]}
          on_change={(value) => set_filters(value as FlagFilters | null)}
        />
      )}
      {where.place !== "here" && (
        <Alert color="yellow" variant="light" icon={<IconInfoCircle size={18} />}>
          {where.why}{" "}
          {where.place === "sdk"
            ? "Penstock answers it as failed; server SDKs with local evaluation decide it when they are given what it asks for."
            : "SDKs are told that it failed and keep what they knew."}
        </Alert>
      )}
      {problem && form.key !== "" && <p className={styles.problem}>{problem}</p>}
      {(save.error ?? remove.error) && <ErrorNote error={(save.error ?? remove.error)!} />}
      <div className={styles.actions}>
        <Button type="submit" disabled={problem !== null} loading={save.isPending}>
          {flag ? "Save flag" : "Create flag"}
        </Button>
        {flag && (
          <Button
            variant={sure ? "filled" : "default"}
            color={sure ? "red" : undefined}
            loading={remove.isPending}
            onClick={() => (sure ? remove.mutate() : set_sure(true))}
            onBlur={() => set_sure(false)}
          >
            {sure ? "Really remove" : "Remove"}
          </Button>
        )}
      </div>
    </form>
  );
}
