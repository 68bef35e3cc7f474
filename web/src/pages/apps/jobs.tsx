// Public jobs of an app: each with a form of what it asks for and a button that starts it.
import { Button, Input, Switch, TextInput, Textarea } from "@mantine/core";
import { useState } from "react";

import { useAppChange, type AppConfig } from "../../api/apps";
import { api } from "../../api/client";
import { ErrorNote } from "../../components/error_note";
import { first_value, job_label, job_payload, job_problem, type JobField, type JobShown, type JobValue, type JobValues } from "../../lib/job_form";
import styles from "./apps.module.css";

interface FieldProps {
  name: string;
  field: JobField;
  value: JobValue;
  error?: string;
  set: (value: JobValue) => void;
}

function Field({ name, field, value, error, set }: FieldProps) {
  const common = { label: job_label(name, field), withAsterisk: field.required, error };
  if (field.type === "boolean") {
    return <Switch label={common.label} checked={value === true} onChange={(e) => set(e.currentTarget.checked)} />;
  }
  if (Array.isArray(value)) {
    return (
      <Input.Wrapper {...common}>
        <div className={styles.pair}>
          <TextInput type="date" aria-label={`${common.label}: first day`} value={value[0]} onChange={(e) => set([e.currentTarget.value, value[1]])} />
          <TextInput type="date" aria-label={`${common.label}: last day`} value={value[1]} onChange={(e) => set([value[0], e.currentTarget.value])} />
        </div>
      </Input.Wrapper>
    );
  }
  const text = String(value);
  if (field.type === "json") {
    return <Textarea {...common} autosize minRows={2} className={styles.code} value={text} onChange={(e) => set(e.currentTarget.value)} />;
  }
  return (
    <TextInput {...common} type={field.type === "date" ? "date" : "text"} inputMode={field.type === "number" ? "decimal" : undefined}
      className={field.type === "date" || field.type === "number" ? styles.short : undefined} value={text}
      onChange={(e) => set(e.currentTarget.value)} />
  );
}

function Job({ project, config, job }: { project: number; config: AppConfig; job: JobShown }) {
  const [values, set_values] = useState<JobValues>({});
  const [asked, set_asked] = useState(false);
  const start = useAppChange(project, () =>
    api(`/projects/${project}/app_configs/${config.id}/job`, { body: { job: job.name, payload: job_payload(job.fields, values) } }),
  );
  const value_of = ([key, field]: [string, JobField]) => values[key] ?? first_value(field);
  const problems = job.fields.map((one) => job_problem(one[1], value_of(one)));
  return (
    <form
      aria-label={job.name}
      className={styles.form}
      noValidate
      onSubmit={(e) => {
        e.preventDefault();
        set_asked(true);
        if (problems.every((problem) => problem === "")) start.mutate(undefined, { onSuccess: () => set_asked(false) });
      }}
    >
      <h3 className={styles.sub}>{job.name}</h3>
      {job.fields.map((one, i) => (
        <Field key={one[0]} name={one[0]} field={one[1]} value={value_of(one)} error={asked ? problems[i] || undefined : undefined}
          set={(value) => {
            start.reset();
            set_values({ ...values, [one[0]]: value });
          }} />
      ))}
      {start.error && <ErrorNote error={start.error} />}
      <div className={styles.actions}>
        <Button type="submit" variant="default" loading={start.isPending} disabled={!config.enabled}>
          Start
        </Button>
        {start.isSuccess && <span role="status">Started. What it says is under Logs.</span>}
      </div>
    </form>
  );
}

/** How the jobs of this app have ended, those that it started itself included. */
function ended(config: AppConfig): string {
  const done = config.status?.calls.job;
  if (!done) return "None has ended yet.";
  const failed = done.failures > 0 ? `, ${done.failures} failed` : "";
  return `So far ${done.successes + done.successes_on_retry} went well${failed}, those that the app starts itself included.`;
}

export function Jobs({ project, config, jobs }: { project: number; config: AppConfig; jobs: JobShown[] }) {
  return (
    <section aria-label="Jobs" className={styles.jobs}>
      <p className="muted">
        {config.enabled ? `Work that this app does when it is asked to. ${ended(config)}` : "Work that this app does when it is asked to, once it is switched on."}
      </p>
      {jobs.map((job) => (
        <Job key={job.name} project={project} config={config} job={job} />
      ))}
    </section>
  );
}
