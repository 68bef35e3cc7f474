// The form of an app's configuration: its fields come from the schema in its plugin.json.
import { Button, PasswordInput, Select, Switch, Textarea, TextInput } from "@mantine/core";
import { useState } from "react";

import { useAppChange, type App, type AppConfig, type AppField } from "../../api/apps";
import { api } from "../../api/client";
import { ErrorNote } from "../../components/error_note";
import { choices_of, field_label, is_kept_secret, missing_value, shown_value, visible_fields, type AppValues } from "../../lib/app_form";
import styles from "./apps.module.css";

function Field({ field, values, set }: { field: AppField; values: AppValues; set: (key: string, value: unknown) => void }) {
  if (field.key === undefined) return <p className={styles.note}>{field.markdown}</p>;
  const key = field.key;
  const common = {
    label: field_label(field),
    description: field.hint ?? field.description,
    withAsterisk: field.required,
  };
  if (field.type === "choice") {
    return (
      <Select {...common} data={choices_of(field)} value={shown_value(field, values) || null} allowDeselect={!field.required}
        onChange={(value) => set(key, value ?? "")} />
    );
  }
  if (field.type === "boolean") {
    return (
      <Switch label={common.label} description={common.description} checked={values[key] === true}
        onChange={(e) => set(key, e.currentTarget.checked)} />
    );
  }
  const text = shown_value(field, values);
  if (field.secret) {
    return (
      <PasswordInput {...common} value={text} autoComplete="off"
        placeholder={is_kept_secret(values[key]) ? "Set; type to replace it" : undefined}
        onChange={(e) => set(key, e.currentTarget.value)} />
    );
  }
  if (field.type === "json") {
    return <Textarea {...common} autosize minRows={2} className={styles.code} value={text} onChange={(e) => set(key, e.currentTarget.value)} />;
  }
  return <TextInput {...common} value={text} onChange={(e) => set(key, e.currentTarget.value)} />;
}

export function ConfigForm({ project, app, config }: { project: number; app: App; config: AppConfig }) {
  const [changed, set_changed] = useState<AppValues>({});
  const values = { ...config.config, ...changed };
  const save = useAppChange(project, () =>
    api(`/projects/${project}/app_configs/${config.id}`, { method: "PATCH", body: { config: changed } }),
  );
  if (app.config_schema.length === 0) return <p className="muted">This app has nothing to set.</p>;
  const missing = missing_value(app.config_schema, values);
  return (
    <form
      className={styles.form}
      onSubmit={(e) => {
        e.preventDefault();
        save.mutate(undefined, { onSuccess: () => set_changed({}) });
      }}
    >
      {visible_fields(app.config_schema, values).map((field, i) => (
        <Field key={field.key ?? i} field={field} values={values} set={(key, value) => set_changed({ ...changed, [key]: value })} />
      ))}
      {save.error && <ErrorNote error={save.error} />}
      <div className={styles.actions}>
        <Button type="submit" loading={save.isPending} disabled={Object.keys(changed).length === 0}>
          Save configuration
        </Button>
        {save.isSuccess && Object.keys(changed).length === 0 && <span role="status">Saved. It applies to the next events.</span>}
        {missing && <span className="muted">{missing}</span>}
      </div>
    </form>
  );
}
