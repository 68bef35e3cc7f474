// One session's recording. The replayer is most of this page's code and comes with it only.
import { Button, Progress } from "@mantine/core";
import { IconArrowLeft, IconUser } from "@tabler/icons-react";
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { Link, useParams, useSearchParams } from "react-router";

import { useRecordingSummary } from "../../api/queries";
import type { RecordingSummary } from "../../api/types";
import { useProject } from "../../app/project";
import { ErrorNote } from "../../components/error_note";
import { FullLoader } from "../../components/full_loader";
import { PageHeader } from "../../components/page_header";
import page from "../../components/page.module.css";
import { bytes, day_and_time, plural } from "../../lib/format";
import { person_of_path } from "../../lib/person_words";
import { address_instead, document_is_wide, set_consent } from "../../lib/replay/consent";
import type { Recording } from "../../lib/replay/read";
import { place } from "../../lib/replay/session";
import { Bound, Damage, Remote } from "./notes";
import { Player } from "./player";
import styles from "./player.module.css";
import type { PlayerState } from "./session_player";
import { SidePane } from "./side_pane";
import { useRecording } from "./use_recording";

/** What leads to an event is seen, too. */
const kLeadMs = 2_000;

/** Whether this document may draw the recording, and with what; it loads anew where it may not. */
function useRemoteContent(session: string): { ready: boolean; remote: boolean; choose: (remote: boolean) => void } {
  const [params] = useSearchParams();
  const instead = address_instead(session, new URL(location.href), document_is_wide());
  useEffect(() => {
    if (instead === null) return;
    if (instead === location.href) location.reload();
    else location.replace(instead);
  }, [instead]);
  // The wider policy ends with the recording it was chosen for.
  useEffect(() => () => {
    if (document_is_wide()) location.reload();
  }, []);
  const choose = (remote: boolean): void => {
    set_consent(session, remote);
    const url = new URL(location.href);
    if (remote) url.searchParams.set("remote", "1");
    else url.searchParams.delete("remote");
    location.assign(url);
  };
  return { ready: instead === null, remote: params.get("remote") === "1", choose };
}

function Reading({ summary, at, stop }: { summary: RecordingSummary | undefined; at: number; stop: () => void }) {
  const total = summary?.size_bytes ?? 0;
  return (
    <div className={`panel ${styles.reading}`} role="status">
      <b>Reading the recording</b>
      <Progress value={total > 0 ? Math.min(100, (at / total) * 100) : 0} w="min(360px, 100%)" aria-label="Read so far" />
      <span className="num">
        {bytes(at)}
        {total > 0 && ` of ${bytes(total)}`}
      </span>
      {at > 4_000_000 && (
        <Button variant="default" size="compact-sm" onClick={stop}>
          Play what is here
        </Button>
      )}
    </div>
  );
}

function Shown({ recording, summary, begin_at }: { recording: Recording; summary: RecordingSummary; begin_at: number }) {
  const { project } = useProject();
  const seek = useRef<((at: number) => void) | null>(null);
  const [state, set_state] = useState<PlayerState | null>(null);
  const go = useCallback((at: number) => seek.current?.(at), []);
  return (
    <div className={styles.both}>
      <Player recording={recording} begin_at={begin_at} on_state={set_state} seek_ref={seek} />
      <SidePane
        project={project.id}
        summary={summary}
        session={recording.session}
        at={state?.at ?? recording.session.start}
        playing={state?.playing ?? false}
        seek={go}
      />
    </div>
  );
}

function Nothing({ recording, summary }: { recording: Recording; summary: RecordingSummary }) {
  const gone = recording.damage.length > 0;
  const mobile = summary.snapshot_source !== "" && summary.snapshot_source !== "web";
  return (
    <div className={`panel ${styles.nothing}`} role="alert" data-testid="recording-nothing">
      <b>{gone ? "This recording can no longer be read" : "This recording has no picture"}</b>
      <span>
        {gone
          ? `Its ${plural(summary.block_count, "block")} ${summary.block_count === 1 ? "is" : "are"} gone or damaged (${recording.damage[0]}). Recordings are removed by age; their rows may stay a little longer.`
          : mobile
            ? "It was recorded by a mobile SDK, whose screens this player does not draw."
            : "No full picture of the page arrived: the first part of the session is missing, or it has not been written yet."}
      </span>
      <Button component={Link} to={`/events?session=${encodeURIComponent(summary.session_id)}`} variant="default" size="compact-sm">
        The session's events
      </Button>
    </div>
  );
}

export default function RecordingPage() {
  const { project } = useProject();
  const { session = "" } = useParams();
  const [params] = useSearchParams();
  const [from, set_from] = useState(0);
  const content = useRemoteContent(session);
  const summary = useRecordingSummary(project.id, session);
  const reading = useRecording(project.id, session, content.remote, from, content.ready && Boolean(summary.data));
  const { recording } = reading;
  const wanted = Number(params.get("t") ?? Number.NaN);
  const begin_at = useMemo(() => {
    if (!recording) return 0;
    if (from > 0) return Math.max(from, recording.session.start);
    return Number.isFinite(wanted) ? wanted - kLeadMs : recording.session.start;
  }, [recording, from, wanted]);
  // The moment that was asked for may lie beyond what is held at once.
  useEffect(() => {
    if (recording?.ended === "bound" && from === 0 && wanted > recording.session.end) set_from(wanted - kLeadMs);
  }, [recording, from, wanted]);

  const s = summary.data;
  const missing = summary.data === null;
  const error = missing ? null : (reading.error ?? summary.error);
  const retry = (): void => {
    if (summary.error) void summary.refetch();
    else reading.retry();
  };
  const picture = recording !== null && recording.session.segments.length > 0;
  return (
    <div className={`${page.fill} ${styles.page}`}>
      <Link to="/replay" className={styles.back}>
        <IconArrowLeft size={15} aria-hidden />
        All recordings
      </Link>
      <PageHeader
        title={s?.distinct_id ?? "Recording"}
        hint={s && `${day_and_time(s.start_time, false)} · ${place(s.duration_ms)} · ${s.first_url.replace(/^https?:\/\//, "") || "no address"}`}
      >
        {s?.distinct_id && (
          <Button component={Link} to={person_of_path(s.distinct_id)} variant="default" size="compact-sm" leftSection={<IconUser size={15} />}>
            Person
          </Button>
        )}
      </PageHeader>
      {error && <ErrorNote error={error} title="The recording cannot be read" retry={retry} />}
      {missing && (
        <div className={`panel ${styles.nothing}`} role="alert" data-testid="recording-missing">
          <b>There is no recording of this session</b>
          <span>
            It was never recorded, it is older than recordings are kept here, it belongs to another project, or it is
            just on its way: a recording appears some seconds after its page sent it.
          </span>
          <Button variant="default" size="compact-sm" loading={summary.isFetching} onClick={() => void summary.refetch()}>
            Look again
          </Button>
        </div>
      )}
      {!content.ready && <FullLoader />}
      {content.ready && !recording && !error && !missing && <Reading summary={s ?? undefined} at={reading.bytes} stop={reading.stop} />}
      {recording && s && (
        <>
          {picture && <Damage damage={recording.damage} />}
          <Bound recording={recording} total_bytes={s.size_bytes} next={set_from} />
          {picture && <Remote left_out={recording.left_out} remote={content.remote} choose={content.choose} />}
          {picture ? (
            <Shown key={from} recording={recording} summary={s} begin_at={begin_at} />
          ) : (
            <Nothing recording={recording} summary={s} />
          )}
        </>
      )}
    </div>
  );
}
