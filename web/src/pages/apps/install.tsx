// Installing an app that others wrote: from npm, or from an archive. Added switched off, as from the catalogue.
import { Button, FileButton, TextInput } from "@mantine/core";
import { IconUpload } from "@tabler/icons-react";
import { useState, type FormEvent } from "react";

import { useAppChange, type App, type AppConfig } from "../../api/apps";
import { api } from "../../api/client";
import { ErrorNote } from "../../components/error_note";
import { base64_of_file } from "../../lib/app_form";
import styles from "./apps.module.css";

type Package = { npm: string } | { archive: string; name: string };

const kArchives = ".zip,.tgz,.tar.gz,application/zip,application/gzip";

/** What an app is called whose files do not say. */
const name_of_file = (name: string) => name.replace(/(\.tar)?\.\w+$/, "");

interface Installed {
  app: App;
  first: boolean;
}

export function Install({ project, configs }: { project: number; configs: AppConfig[] }) {
  const [npm, set_npm] = useState("");
  const install = useAppChange(project, async (asked: Package | File): Promise<Installed> => {
    const from = asked instanceof File ? { archive: await base64_of_file(asked), name: name_of_file(asked.name) } : asked;
    const app = await api<App>(`/projects/${project}/apps`, { body: { ...from, update: true } });
    const first = !configs.some((c) => c.app === app.id);
    if (first) await api<AppConfig>(`/projects/${project}/app_configs`, { body: { app: app.id } });
    return { app, first };
  });
  const submit = (e: FormEvent) => {
    e.preventDefault();
    install.mutate({ npm: npm.trim() }, { onSuccess: () => set_npm("") });
  };
  return (
    <section aria-label="Install" className={styles.install}>
      <h2>Install</h2>
      <p className="muted">PostHog plugins run unchanged. An app that is already here gets its next version; a new one is added switched off.</p>
      <form onSubmit={submit}>
        <TextInput aria-label="npm package" placeholder="@posthog/geoip-plugin@0.0.7" value={npm} spellCheck={false}
          onChange={(e) => set_npm(e.currentTarget.value)} />
        <Button type="submit" variant="default" disabled={npm.trim() === ""} loading={install.isPending}>
          Install from npm
        </Button>
        <FileButton accept={kArchives} onChange={(file) => file && install.mutate(file)}>
          {(props) => (
            <Button {...props} variant="default" leftSection={<IconUpload size={16} aria-hidden />} disabled={install.isPending}>
              Upload .zip or .tgz
            </Button>
          )}
        </FileButton>
      </form>
      {install.error && <ErrorNote error={install.error} mt="sm" />}
      {install.data && (
        <p role="status">
          {install.data.app.name} is here{install.data.first ? ", switched off" : `: version ${install.data.app.version} is in use`}.
        </p>
      )}
    </section>
  );
}
