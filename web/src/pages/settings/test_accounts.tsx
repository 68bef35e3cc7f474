// Whose events are the project's own people's: apps can leave them out.
import { useMutation } from "@tanstack/react-query";
import { useState, type FormEvent } from "react";

import { api } from "../../api/client";
import { useSettings } from "../../api/queries";
import type { Project } from "../../api/types";
import { query_client } from "../../app/client";
import { ErrorNote } from "../../components/error_note";
import { PropertyFilters } from "../../components/property_filters";
import { is_complete, type PropertyFilter } from "../../lib/filter_form";
import { Save } from "./save";
import { Section } from "./section";
import styles from "./browser_sdk.module.css";

interface Setting {
  filters?: PropertyFilter[];
}

function Form({ project, saved }: { project: Project; saved: Setting }) {
  const [filters, set_filters] = useState(saved.filters ?? []);
  const save = useMutation({
    mutationFn: () =>
      api(`/projects/${project.id}/settings/test_account_filters`, { method: "PUT", body: { filters: filters.filter(is_complete) } }),
    onSuccess: () =>
      Promise.all(["settings", "app_configs", "matches"].map((key) => query_client.invalidateQueries({ queryKey: [key, project.id] }))),
  });
  const submit = (e: FormEvent<HTMLFormElement>): void => {
    e.preventDefault();
    save.mutate();
  };
  return (
    <form className={styles.editor} onSubmit={submit}>
      <PropertyFilters project={project.id} filters={filters} add="Add a condition"
        set={(changed) => {
          save.reset();
          set_filters(changed);
        }} />
      <Save save={save} what="test accounts" className={styles.actions} />
    </form>
  );
}

export function TestAccounts({ project }: { project: Project }) {
  const settings = useSettings(project.id);
  return (
    <Section title="Test accounts" hint="What real events have and your own people's have not, such as: email does not contain @example.com. Apps can leave test accounts out; what is stored is not touched.">
      {settings.error && <ErrorNote error={settings.error} retry={() => void settings.refetch()} />}
      {settings.data && <Form project={project} saved={(settings.data["test_account_filters"] ?? {}) as Setting} />}
    </Section>
  );
}
