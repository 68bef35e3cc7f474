// Replay: the sessions that were recorded, newest first, and the way to each.
import { Button, CloseButton, Select, Switch, TextInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { IconAlertTriangle, IconHash, IconLink, IconUser } from "@tabler/icons-react";
import { useState, type ReactNode } from "react";
import { Link } from "react-router";

import { useRecordings, type RecordingFilter } from "../../api/queries";
import type { RecordingSummary } from "../../api/types";
import { useProject } from "../../app/project";
import { ErrorNote } from "../../components/error_note";
import { FullLoader } from "../../components/full_loader";
import { PageHeader } from "../../components/page_header";
import page from "../../components/page.module.css";
import { ago, bytes, day_and_time, plural, whole } from "../../lib/format";
import { moment_path } from "../../lib/replay/links";
import { place } from "../../lib/replay/session";
import { FirstRecording } from "./first_recording";
import styles from "./recordings.module.css";

const kAll: RecordingFilter = { distinct_id: "", session_id: "", url: "", days: 30, min_seconds: 0, errors_only: false };
const kFirst = 100;
const kMost = 1_000;
const kPeriods = [
  { value: "1", label: "Last 24 hours" },
  { value: "7", label: "Last 7 days" },
  { value: "30", label: "Last 30 days" },
  { value: "3650", label: "Everything kept" },
];

const kLengths = [
  { value: "0", label: "Any length" },
  { value: "10", label: "10 seconds or more" },
  { value: "60", label: "A minute or more" },
  { value: "600", label: "10 minutes or more" },
];

function Filters({ filter, set }: { filter: RecordingFilter; set: (part: Partial<RecordingFilter>) => void }) {
  const text = (key: "distinct_id" | "session_id" | "url", label: string, icon: ReactNode) => (
    <TextInput
      aria-label={label}
      placeholder={label}
      value={filter[key]}
      onChange={(e) => set({ [key]: e.currentTarget.value.trim() })}
      leftSection={icon}
      rightSection={
        filter[key] && <CloseButton size="sm" aria-label={`Clear ${label}`} onClick={() => set({ [key]: "" })} />
      }
    />
  );
  return (
    <div className={styles.filters} role="search" aria-label="Filter the recordings">
      {text("distinct_id", "distinct_id", <IconUser size={15} />)}
      {text("session_id", "Session id", <IconHash size={15} />)}
      {text("url", "Page address contains", <IconLink size={15} />)}
      <Select
        aria-label="Period"
        data={kPeriods}
        value={String(filter.days)}
        onChange={(value) => set({ days: Number(value ?? kAll.days) })}
        allowDeselect={false}
      />
      <Select
        aria-label="Length"
        data={kLengths}
        value={String(filter.min_seconds)}
        onChange={(value) => set({ min_seconds: Number(value ?? 0) })}
        allowDeselect={false}
      />
      <Switch
        label="With console errors"
        checked={filter.errors_only}
        onChange={(e) => set({ errors_only: e.currentTarget.checked })}
      />
    </div>
  );
}

function without_scheme(url: string): string {
  return url.replace(/^https?:\/\//, "");
}

function Row({ recording: r }: { recording: RecordingSummary }) {
  const more = r.urls.length - 1;
  return (
    <li>
      <Link className={styles.row} to={moment_path({ session: r.session_id, at: null })} data-testid={`recording-${r.session_id}`}>
        <span className={styles.who}>
          <b className="clip">{r.distinct_id}</b>
          <span className="clip" title={r.first_url}>
            {without_scheme(r.first_url) || "No address"}
            {more > 0 && <em> and {plural(more, "more page")}</em>}
          </span>
        </span>
        <time dateTime={r.start_time} title={day_and_time(r.start_time)}>
          <b>{ago(r.start_time, Date.now())}</b>
          <span>{day_and_time(r.start_time, false)}</span>
        </time>
        <span className={`${styles.length} num`}>
          <b>{place(r.duration_ms)}</b>
          <span>{place(r.active_ms)} active</span>
        </span>
        <span className={`${styles.counts} num`}>
          <span>{plural(r.click_count, "click")}</span>
          <span>{plural(r.keypress_count, "input")}</span>
        </span>
        <span className={`${styles.console} num`}>
          {r.console_error_count > 0 ? (
            <b>
              <IconAlertTriangle size={14} aria-hidden />
              {plural(r.console_error_count, "error")}
            </b>
          ) : (
            <span>No errors</span>
          )}
          {r.console_warn_count > 0 && <span>{plural(r.console_warn_count, "warning")}</span>}
        </span>
        <span className={`${styles.size} num`}>{bytes(r.size_bytes)}</span>
      </Link>
    </li>
  );
}

function List({ found, limit, more }: { found: RecordingSummary[]; limit: number; more: () => void }) {
  return (
    <>
      <div className={`panel ${styles.list}`}>
        <div className={styles.head} aria-hidden>
          <span>Person and page</span>
          <span>Began</span>
          <span>Length</span>
          <span>Did</span>
          <span>Console</span>
          <span>Size</span>
        </div>
        <ul aria-label="Recordings">
          {found.map((r) => (
            <Row key={r.session_id} recording={r} />
          ))}
        </ul>
      </div>
      <p className={styles.foot}>
        {found.length < limit ? (
          plural(found.length, "recording")
        ) : limit < kMost ? (
          <Button variant="default" size="compact-sm" onClick={more}>
            Show up to {whole(kMost)}
          </Button>
        ) : (
          `The newest ${whole(kMost)}. The filters lead to older ones.`
        )}
      </p>
    </>
  );
}

export default function RecordingsPage() {
  const { project } = useProject();
  const [wanted, set_wanted] = useState(kAll);
  const [filter] = useDebouncedValue(wanted, 250);
  const [limit, set_limit] = useState(kFirst);
  const { data, error } = useRecordings(project.id, filter, limit);
  const filtered = JSON.stringify(filter) !== JSON.stringify(kAll);
  const set = (part: Partial<RecordingFilter>): void => {
    set_wanted((before) => ({ ...before, ...part }));
    set_limit(kFirst);
  };
  if (data?.length === 0 && !filtered) return <FirstRecording project={project} />;
  return (
    <div className={page.page}>
      <PageHeader title="Replay" hint="What people saw and did, as a film of the page." />
      <Filters filter={wanted} set={set} />
      {error && <ErrorNote error={error} />}
      {!data && !error && <FullLoader />}
      {data?.length === 0 && (
        <div className={`panel ${styles.none}`} role="status">
          <b>No recording matches</b>
          <span>Ids match exactly. A recording appears some seconds after its page sent it.</span>
          <Button variant="default" size="compact-sm" onClick={() => set(kAll)}>
            Clear the filters
          </Button>
        </div>
      )}
      {data && data.length > 0 && <List found={data} limit={limit} more={() => set_limit(kMost)} />}
    </div>
  );
}
