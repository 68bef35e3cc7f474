// The form of an app's configuration: its fields come from the schema in its plugin.json.
import { Button, FileButton, Input, PasswordInput, Select, Switch, Textarea, TextInput } from "@mantine/core";
import { useState } from "react";

import { useAppChange, type App, type AppConfig, type AppField } from "../../api/apps";
import { api, ApiError } from "../../api/client";
import { ErrorNote } from "../../components/error_note";
import { base64_of_file, choices_of, field_label, file_name_of, is_json_field, is_kept_secret, missing_value, shown_value, typed_values, visible_fields, type AppValues } from "../../lib/app_form";
import styles from "./apps.module.css";

interface FieldProps {
  field: AppField;
  values: AppValues;
  set: (key: string, value: unknown) => void;
  error?: string;
}

function Attachment({ field, values, set, error }: FieldProps) {
  const key = field.key ?? "";
  const name = file_name_of(values[key]);
  const take = async (file: File | null): Promise<void> => {
    if (!file) return;
    set(key, { file_name: file.name, content_type: file.type || "application/octet-stream", contents: await base64_of_file(file) });
  };
  return (
    <Input.Wrapper label={field_label(field)} description={field.hint ?? field.description} withAsterisk={field.required} error={error}>
      <div className={styles.attachment}>
        <FileButton onChange={(file) => void take(file)}>
          {(props) => (
            <Button {...props} variant="default" size="xs">
              {name ? "Replace the file" : "Choose a file"}
            </Button>
          )}
        </FileButton>
        <span className={name ? "clip" : "muted"}>{name || "None"}</span>
        {name && !field.required && (
          <Button variant="subtle" color="gray" size="xs" onClick={() => set(key, null)}>
            Take it away
          </Button>
        )}
      </div>
    </Input.Wrapper>
  );
}

function Field({ field, values, set, error }: FieldProps) {
  if (field.key === undefined) return <p className={styles.note}>{field.markdown}</p>;
  const key = field.key;
  const common = {
    label: field_label(field),
    description: field.hint ?? field.description,
    withAsterisk: field.required,
    error,
  };
  if (field.type === "attachment") return <Attachment field={field} values={values} set={set} error={error} />;
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
  if (is_json_field(field)) {
    return <Textarea {...common} autosize minRows={2} className={styles.code} value={text} onChange={(e) => set(key, e.currentTarget.value)} />;
  }
  const number = field.type === "number" || field.type === "integer";
  return (
    <TextInput {...common} inputMode={number ? "decimal" : undefined} className={number ? styles.short : undefined} value={text}
      onChange={(e) => set(key, e.currentTarget.value)} />
  );
}

export function ConfigForm({ project, app, config }: { project: number; app: App; config: AppConfig }) {
  const [changed, set_changed] = useState<AppValues>({});
  const values = { ...config.config, ...changed };
  const save = useAppChange(project, () =>
    api(`/projects/${project}/app_configs/${config.id}`, { method: "PATCH", body: { config: typed_values(app.config_schema, changed, app.language === "hog") } }),
  );
  if (app.config_schema.length === 0) return <p className="muted">This app has nothing to set.</p>;
  const missing = missing_value(app.config_schema, values);
  // A mistake in one field is told at the field.
  const wrong = save.error instanceof ApiError ? save.error.place.input : undefined;
  const at_field = app.config_schema.some((field) => field.key === wrong && wrong !== undefined);
  return (
    <form
      className={styles.form}
      onSubmit={(e) => {
        e.preventDefault();
        save.mutate(undefined, { onSuccess: () => set_changed({}) });
      }}
    >
      {visible_fields(app.config_schema, values).map((field, i) => (
        <Field key={field.key ?? i} field={field} values={values} error={at_field && field.key === wrong ? save.error?.message : undefined}
          set={(key, value) => {
            save.reset();
            set_changed({ ...changed, [key]: value });
          }} />
      ))}
      {save.error && !at_field && <ErrorNote error={save.error} />}
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
