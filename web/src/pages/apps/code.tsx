// An app's code: its files with hints and mistakes, a trial of what is edited, versions and publishing.
import { Button, Select } from "@mantine/core";
import { useEffect, useMemo, useRef, useState } from "react";

import { useAppChange, useAppFiles, type App, type AppConfig, type AppMistake } from "../../api/apps";
import { api } from "../../api/client";
import { ErrorNote } from "../../components/error_note";
import { FullLoader } from "../../components/full_loader";
import { day_and_time } from "../../lib/format";
import { TypeClient } from "../../lib/types/client";
import { CodeEditor } from "./code_editor";
import { Trial } from "./trial";
import styles from "./apps.module.css";

/** The language service as long as the editor is there; null for apps in Hog. */
function useTypes(language: App["language"]): TypeClient | null {
  const [types, set_types] = useState<TypeClient | null>(null);
  useEffect(() => {
    if (language !== "javascript") return undefined;
    const client = new TypeClient();
    set_types(client);
    return () => client.close();
  }, [language]);
  return types;
}

function Mistakes({ found, open }: { found: AppMistake[]; open: (file: string) => void }) {
  if (found.length === 0) return null;
  return (
    <ul className={styles.mistakes} aria-label="Mistakes">
      {found.map((m) => (
        <li key={`${m.file}:${m.line}:${m.message}`}>
          <button type="button" onClick={() => open(m.file)}>
            {m.file}
            {m.line > 0 && `:${m.line}:${m.column}`}
          </button>{" "}
          {m.message}
        </li>
      ))}
    </ul>
  );
}

export function Code({ project, app, config }: { project: number; app: App; config: AppConfig }) {
  const { data, error } = useAppFiles(project, app.id);
  const [file, set_file] = useState(app.main);
  const [edited, set_edited] = useState<Record<string, string>>({});
  const [found, set_found] = useState<AppMistake[]>([]);
  const types = useTypes(app.language);
  const publish = useAppChange(project, () =>
    api(`/projects/${project}/apps/${app.id}/versions`, { body: { files: { ...data?.files, ...edited } } }),
  );
  const use = useAppChange(project, (version: number) => api(`/projects/${project}/apps/${app.id}/use`, { body: { version } }));
  const keys = useMemo(() => app.config_schema.flatMap((field) => field.key ?? []), [app.config_schema]);
  const files = { ...data?.files, ...edited };
  const now = useRef(files);
  now.current = files;
  if (error) return <ErrorNote error={error} />;
  if (!data || (app.language === "javascript" && types === null)) return <FullLoader />;
  const check = async (of: string, text: string): Promise<AppMistake[]> => {
    const answer = await api<{ results: AppMistake[] }>(`/projects/${project}/apps/check`, { body: { files: { ...now.current, [of]: text } } });
    set_found(answer.results);
    return answer.results.filter((m) => m.file === of);
  };
  const is_edited = Object.keys(edited).length > 0;
  const undo = (): void => {
    set_edited({});
    publish.reset();
  };
  return (
    <div className={styles.form}>
      <div className={styles.pair}>
        <Select label="File" data={Object.keys(data.files)} value={file} allowDeselect={false} onChange={(f) => set_file(f ?? app.main)} />
        <Select label="Version" value={String(app.version)} allowDeselect={false}
          data={data.versions.toReversed().map((v) => ({ value: String(v.version), label: `${v.version} · ${v.source}, ${day_and_time(v.created_at)}` }))}
          onChange={(v) => v && use.mutate(Number(v))} />
      </div>
      <div className={styles.editor}>
        <CodeEditor key={`${file} ${app.version}`} file={file} value={files[file] ?? ""} types={types} inputs={keys} check={check}
          share={() => types?.open(now.current, keys) ?? Promise.resolve()}
          on_change={(text) => {
            publish.reset();
            now.current = { ...now.current, [file]: text };
            set_edited((before) => {
              const { [file]: _was, ...others } = before;
              return text === data.files[file] ? others : { ...others, [file]: text };
            });
          }} />
      </div>
      <Mistakes found={found} open={set_file} />
      {(publish.error ?? use.error) && <ErrorNote error={(publish.error ?? use.error)!} />}
      <div className={styles.actions}>
        <Button disabled={!is_edited} loading={publish.isPending} onClick={() => publish.mutate(undefined, { onSuccess: () => set_edited({}) })}>
          Publish as version {Math.max(...data.versions.map((v) => v.version)) + 1}
        </Button>
        {is_edited && (
          <Button variant="default" onClick={undo}>
            Undo the edits
          </Button>
        )}
      </div>
      <h3 className={styles.sub}>Try {is_edited ? "the edited code" : "it"}</h3>
      <Trial project={project} app={app} config={config} files={is_edited ? files : undefined} />
    </div>
  );
}
