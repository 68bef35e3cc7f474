// Past events for an app that exports events: from when to when, and how far it has come.
import { Button, Group, Progress, TextInput } from "@mantine/core";
import { useState, type FormEvent } from "react";

import { useAppChange, type AppConfig, type AppExport } from "../../api/apps";
import { api } from "../../api/client";
import { ErrorNote } from "../../components/error_note";

const kStates = { running: "Under way", done: "Done", failed: "Given up", cancelled: "Stopped" };
const day = (time: string) => time.slice(0, 16).replace("T", " ");

function Told({ one }: { one: AppExport }) {
  const percent = Math.round(one.share * 100);
  return (
    <div data-testid="app-export">
      <Progress value={percent} animated={one.state === "running"} color={one.state === "failed" ? "red" : undefined} mb="xs"
        aria-label="Exported so far" />
      <p className="num">
        {kStates[one.state]}: {percent} %, at {day(one.at)} of {day(one.from)} to {day(one.to)}. {one.exported} events exported
        {one.failed > 0 && `, ${one.failed} failed`}
        {one.passed_over > 0 && `, ${one.passed_over} passed over by its filters`}.
      </p>
      {one.error && <ErrorNote error={new Error(one.error)} title={one.next_at ? "It is tried again" : "Its last error"} />}
    </div>
  );
}

export function PastEvents({ project, config }: { project: number; config: AppConfig }) {
  const [from, set_from] = useState("");
  const [to, set_to] = useState("");
  const path = `/projects/${project}/app_configs/${config.id}/export`;
  const begin = useAppChange(project, () => api(path, { body: to ? { from, to } : { from } }));
  const stop = useAppChange(project, () => api(path, { method: "DELETE" }));
  const one = config.status?.export;
  const broken = begin.error ?? stop.error;
  const submit = (e: FormEvent) => {
    e.preventDefault();
    begin.mutate(undefined);
  };
  return (
    <section aria-label="Past events">
      <p className="muted">Events that are stored go to the app once more, in the order of their time (UTC). It goes on over restarts.</p>
      {one && <Told one={one} />}
      {one?.state === "running" ? (
        <Button variant="subtle" color="red" loading={stop.isPending} onClick={() => stop.mutate(undefined)}>
          Stop
        </Button>
      ) : (
        <form onSubmit={submit}>
          <Group align="end">
            <TextInput type="date" label="From" required value={from} onChange={(e) => set_from(e.currentTarget.value)} />
            <TextInput type="date" label="Before" description="Now, if empty" value={to} onChange={(e) => set_to(e.currentTarget.value)} />
            <Button type="submit" loading={begin.isPending} disabled={!config.enabled}>
              Export
            </Button>
          </Group>
        </form>
      )}
      {broken && <ErrorNote error={broken} mt="sm" />}
    </section>
  );
}
