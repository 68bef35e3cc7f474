// Which events go through an app: by name, by properties, without test accounts, with what matches now.
import { ActionIcon, Autocomplete, Button, Switch } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { IconPlus, IconX } from "@tabler/icons-react";
import { useState } from "react";
import { Link } from "react-router";

import { useAppChange, useMatches, type AppConfig } from "../../api/apps";
import { api } from "../../api/client";
import { useEventDefinitions } from "../../api/definitions";
import { useSettings } from "../../api/queries";
import { ErrorNote } from "../../components/error_note";
import { PropertyFilters } from "../../components/property_filters";
import { lets_all_pass, looks_at_persons, written_filters, type AppFilters, type EventFilter, type PropertyFilter } from "../../lib/filter_form";
import { clock, plural } from "../../lib/format";
import styles from "./apps.module.css";

const kTypingMs = 400;

function Events({ project, events, set }: { project: number; events: EventFilter[]; set: (events: EventFilter[]) => void }) {
  const known = useEventDefinitions(project, "", true);
  const names = known.data?.pages[0]?.results.map((e) => e.name) ?? [];
  const change = (i: number, changed: EventFilter): void => set(events.map((e, n) => (n === i ? changed : e)));
  return (
    <>
      {events.map((event, i) => (
        <div key={i} className={styles.event} role="group" aria-label={`Event ${i + 1}`}>
          <div className={styles.event_name}>
            <Autocomplete aria-label="Event" placeholder="Any event" data={names} limit={50} value={event.id ?? ""} spellCheck={false}
              onChange={(name) => change(i, { ...event, id: name || null, name: name || "All events" })} />
            <ActionIcon variant="subtle" color="gray" size="lg" aria-label={`Remove event ${i + 1}`} onClick={() => set(events.filter((_, n) => n !== i))}>
              <IconX size={16} aria-hidden />
            </ActionIcon>
          </div>
          <PropertyFilters project={project} filters={event.properties ?? []} add="Only where…" set={(properties) => change(i, { ...event, properties })} />
        </div>
      ))}
      <Button className={styles.start} variant="default" size="xs" leftSection={<IconPlus size={14} aria-hidden />}
        onClick={() => set([...events, { id: null, properties: [] }])}>
        Add an event
      </Button>
    </>
  );
}

/** What the filters as they stand would do, from the newest events. */
function Matches({ project, app, filters, test_accounts }: { project: number; app: number; filters: AppFilters; test_accounts: PropertyFilter[] }) {
  const [asked] = useDebouncedValue(JSON.stringify(written_filters(filters)), kTypingMs);
  const { data, error, isFetching, isPlaceholderData, refetch } = useMatches(project, app, asked);
  if (error) return <ErrorNote error={error} retry={() => void refetch()} />;
  if (!data) return <p className="muted">Counting…</p>;
  const share = data.events === 0 ? 0 : data.matched / data.events;
  return (
    <div className={styles.matches} data-testid="filter-matches" aria-busy={isFetching || isPlaceholderData}>
      {data.error && <ErrorNote error={new Error(data.error)} title="They match nothing" />}
      {data.events === 0 ? (
        <p>There are no events yet to count.</p>
      ) : (
        <>
          <p aria-live="polite">
            <b className="num">{data.matched}</b> of the newest <span className="num">{plural(data.events, "event")}</span> {data.matched === 1 ? "goes" : "go"} through this app
            {data.failed > 0 && <span className={styles.bad}>; of {plural(data.failed, "event")} the filters failed</span>}
          </p>
          <div className={styles.share} aria-hidden>
            <i style={{ width: `${share * 100}%` }} />
          </div>
          {data.results.length > 0 && (
            <ul>
              {data.results.slice(0, 5).map((event) => (
                <li key={event.uuid}>
                  <time className="num" dateTime={event.timestamp}>
                    {clock(event.timestamp)}
                  </time>
                  <Link to={`/trace/${event.uuid}`} className="clip">
                    {event.event}
                  </Link>
                  <span className="muted clip">{event.distinct_id}</span>
                </li>
              ))}
            </ul>
          )}
        </>
      )}
      {!data.persons && looks_at_persons(filters, test_accounts) && (
        <p className={styles.caution}>
          This app is asked before the event's person is known: properties of persons and groups are empty here. Use event properties to decide.
        </p>
      )}
    </div>
  );
}

export function FilterForm({ project, config }: { project: number; config: AppConfig }) {
  const [edited, set_edited] = useState<AppFilters | null>(null);
  const settings = useSettings(project);
  const filters = edited ?? config.filters;
  const test_accounts = ((settings.data?.["test_account_filters"] as { filters?: PropertyFilter[] } | undefined)?.filters ?? []);
  const save = useAppChange(project, () =>
    api(`/projects/${project}/app_configs/${config.id}`, { method: "PATCH", body: { filters: written_filters(filters) } }),
  );
  const set = (changed: Partial<AppFilters>): void => {
    save.reset();
    set_edited({ ...filters, ...changed });
  };
  return (
    <form
      className={styles.form}
      aria-label="Filters"
      onSubmit={(e) => {
        e.preventDefault();
        save.mutate(undefined, { onSuccess: () => set_edited(null) });
      }}
    >
      <fieldset className={styles.part}>
        <legend>Events</legend>
        <p className={styles.note}>Any of these; without one, every event.</p>
        <Events project={project} events={filters.events ?? []} set={(events) => set({ events })} />
        {(filters.actions?.length ?? 0) > 0 && <p className={styles.note}>And {plural(filters.actions?.length ?? 0, "action")}, as the API has set.</p>}
      </fieldset>
      <fieldset className={styles.part}>
        <legend>Properties</legend>
        <p className={styles.note}>All of these, whatever the event.</p>
        <PropertyFilters project={project} filters={filters.properties ?? []} add="Add a condition" set={(properties) => set({ properties })} />
      </fieldset>
      <Switch label="Leave out test accounts" checked={filters.filter_test_accounts === true}
        description={
          test_accounts.length > 0 ? `By ${plural(test_accounts.length, "condition")} of this project, in Settings.` : "This project has not said in Settings who they are: nothing is left out."
        }
        onChange={(e) => set({ filter_test_accounts: e.currentTarget.checked })} />
      <Matches project={project} app={config.app} filters={filters} test_accounts={test_accounts} />
      {save.error && <ErrorNote error={save.error} />}
      <div className={styles.actions}>
        <Button type="submit" loading={save.isPending} disabled={edited === null}>
          Save filters
        </Button>
        {edited !== null && (
          <Button variant="default" onClick={() => set_edited(null)}>
            Undo the changes
          </Button>
        )}
        {save.isSuccess && edited === null && (
          <span role="status">{lets_all_pass(config.filters) ? "Saved. Every event goes through it." : "Saved. They apply to the next events."}</span>
        )}
      </div>
    </form>
  );
}
