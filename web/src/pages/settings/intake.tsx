// What a project may send and what becomes of it on the way in: quotas, restrictions, rates.
import { Button, Checkbox, Select, Textarea, TextInput } from "@mantine/core";
import { IconPlus, IconTrash } from "@tabler/icons-react";
import { useMutation, useQuery } from "@tanstack/react-query";
import { useState, type FormEvent } from "react";

import { api } from "../../api/client";
import { query_client } from "../../app/client";
import { useProject } from "../../app/project";
import { ErrorNote } from "../../components/error_note";
import { FullLoader } from "../../components/full_loader";
import { day_and_time, whole } from "../../lib/format";
import {
  empty_restriction,
  from_form,
  kFilters,
  kResources,
  kRestrictionTypes,
  to_form,
  type Admission,
  type IntakeForm,
  type RestrictionForm,
} from "../../lib/intake_form";
import { Save } from "./save";
import { Section } from "./section";
import styles from "./intake.module.css";

interface Usage {
  resource: string;
  used: number;
  refused: number;
  limit: number | null;
  limited: boolean;
  limited_since: string | null;
}
interface Quotas {
  month: string;
  resets_at: string;
  quotas: Usage[];
}

function Bar({ usage }: { usage: Usage | undefined }) {
  if (!usage) return null;
  const part = usage.limit === null ? 0 : usage.limit === 0 ? 1 : Math.min(usage.used / usage.limit, 1);
  const limit = usage.limit === null ? "no limit" : `of ${whole(usage.limit)}`;
  return (
    <div className={styles.usage}>
      <div className={styles.bar} data-over={usage.limited} aria-hidden>
        <i style={{ width: `${part * 100}%` }} />
      </div>
      <span className="num">
        {whole(usage.used)} {limit}
        {usage.refused > 0 && `, ${whole(usage.refused)} refused`}
        {usage.limited_since && ` since ${day_and_time(usage.limited_since, false)}`}
      </span>
    </div>
  );
}

function Rule({
  rule,
  name,
  change,
  remove,
}: {
  rule: RestrictionForm;
  name: string;
  change: (rule: RestrictionForm) => void;
  remove: () => void;
}) {
  return (
    <li className={styles.rule} aria-label={name}>
      <div className={styles.rule_head}>
        <Select
          aria-label="What happens"
          data={kRestrictionTypes}
          value={rule.type}
          allowDeselect={false}
          onChange={(type) => change({ ...rule, type: type ?? rule.type })}
        />
        {rule.type === "redirect_to_topic" && (
          <TextInput
            aria-label="Topic"
            placeholder="topic: a-z, 0-9, _"
            value={rule.topic}
            onChange={(e) => change({ ...rule, topic: e.currentTarget.value })}
          />
        )}
        <Button variant="default" leftSection={<IconTrash size={15} />} onClick={remove}>
          Remove
        </Button>
      </div>
      <div className={styles.filters}>
        {kFilters.map((f) => (
          <Textarea
            key={f.name}
            label={f.label}
            placeholder="all"
            rows={2}
            value={rule[f.name]}
            onChange={(e) => change({ ...rule, [f.name]: e.currentTarget.value })}
          />
        ))}
      </div>
    </li>
  );
}

function Form({ project, before, usage }: { project: number; before: Admission; usage: Quotas | undefined }) {
  const [form, set_form] = useState<IntakeForm>(() => to_form(before));
  const put = (change: Partial<IntakeForm>): void => set_form({ ...form, ...change });
  const save = useMutation({
    mutationFn: () =>
      api(`/projects/${project}/settings/admission`, { method: "PUT", body: from_form(form, before) }),
    onSuccess: () => query_client.invalidateQueries({ queryKey: ["intake", project] }),
  });
  const submit = (e: FormEvent<HTMLFormElement>): void => {
    e.preventDefault();
    save.mutate();
  };
  const rule_at = (at: number, rule: RestrictionForm): void =>
    put({ restrictions: form.restrictions.map((r, i) => (i === at ? rule : r)) });
  return (
    <form onSubmit={submit} onChange={() => save.reset()}>
      <h3 className={styles.title}>Monthly quotas</h3>
      <ul className={styles.quotas}>
        {kResources.map(({ name, label }) => (
          <li key={name}>
            <TextInput
              label={label}
              inputMode="numeric"
              placeholder="no limit"
              value={form.limits[name] ?? ""}
              onChange={(e) => put({ limits: { ...form.limits, [name]: e.currentTarget.value } })}
            />
            <Bar usage={usage?.quotas.find((q) => q.resource === name)} />
          </li>
        ))}
      </ul>
      <h3 className={styles.title}>Rates</h3>
      <div className={styles.rates}>
        <TextInput label="Events a second of one distinct id" placeholder="100" value={form.rate} onChange={(e) => put({ rate: e.currentTarget.value })} />
        <TextInput label="At once" placeholder="1000" value={form.burst} onChange={(e) => put({ burst: e.currentTarget.value })} />
        <TextInput label="Historical after days" placeholder="as the server" value={form.days} onChange={(e) => put({ days: e.currentTarget.value })} />
        <TextInput label="Bytes a second of AI events" placeholder="no budget" value={form.ai_rate} onChange={(e) => put({ ai_rate: e.currentTarget.value })} />
        <TextInput label="AI bytes at once" placeholder="5000000" value={form.ai_burst} onChange={(e) => put({ ai_burst: e.currentTarget.value })} />
        <TextInput label="Weight under pressure" placeholder="1" value={form.weight} onChange={(e) => put({ weight: e.currentTarget.value })} />
      </div>
      <Checkbox
        mt="sm"
        label="Only historical imports: everything live is dropped"
        checked={form.historical_only}
        onChange={(e) => put({ historical_only: e.currentTarget.checked })}
      />
      <Textarea
        label="Origins browsers may send from, one a line"
        placeholder="any"
        autosize={false}
        rows={2}
        mt="sm"
        value={form.origins}
        onChange={(e) => put({ origins: e.currentTarget.value })}
      />
      <h3 className={styles.title}>Restrictions</h3>
      <p className={styles.hint}>
        A rule applies where every filled filter matches; one entry a line, one match is enough.
      </p>
      <ul className={styles.rules}>
        {form.restrictions.map((rule, i) => (
          <Rule
            key={i}
            name={`Restriction ${i + 1}`}
            rule={rule}
            change={(r) => rule_at(i, r)}
            remove={() => put({ restrictions: form.restrictions.filter((_, n) => n !== i) })}
          />
        ))}
      </ul>
      <Button
        variant="default"
        size="compact-md"
        leftSection={<IconPlus size={15} />}
        onClick={() => put({ restrictions: [...form.restrictions, empty_restriction()] })}
      >
        Add a restriction
      </Button>
      <Save save={save} what="intake" className={styles.save} mt="md" />
    </form>
  );
}

export function Intake() {
  const { project } = useProject();
  const settings = useQuery({
    queryKey: ["intake", project.id],
    queryFn: () => api<{ admission?: Admission }>(`/projects/${project.id}/settings`),
  });
  const usage = useQuery({
    queryKey: ["quotas", project.id],
    queryFn: () => api<Quotas>(`/projects/${project.id}/quotas`),
    refetchInterval: 5_000,
  });
  return (
    <Section
      title="Intake"
      hint={`What ${project.name} may send, and what becomes of it on the way in. Quotas begin anew on the first of the month, UTC.`}
    >
      {settings.error && <ErrorNote error={settings.error} retry={() => void settings.refetch()} />}
      {settings.data ? (
        <Form project={project.id} before={settings.data.admission ?? {}} usage={usage.data} />
      ) : (
        !settings.error && <FullLoader />
      )}
    </Section>
  );
}
