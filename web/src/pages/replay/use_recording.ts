// Fetches one recording: how far it has come, and the recording when it is there.
import { useCallback, useEffect, useRef, useState } from "react";

import { api_stream } from "../../api/client";
import { read_recording, type Recording } from "../../lib/replay/read";

const kTellMs = 120;

export interface Reading {
  recording: Recording | null;
  bytes: number;
  error: Error | null;
  retry: () => void;
  /** Plays what has come so far. */
  stop: () => void;
}

export function useRecording(project: number, session: string, remote: boolean, from: number, enabled: boolean): Reading {
  const [recording, set_recording] = useState<Recording | null>(null);
  const [bytes, set_bytes] = useState(0);
  const [error, set_error] = useState<Error | null>(null);
  const [attempt, set_attempt] = useState(0);
  const stopped = useRef(false);

  useEffect(() => {
    if (!enabled) return undefined;
    const leave = new AbortController();
    let told = 0;
    stopped.current = false;
    set_recording(null);
    set_bytes(0);
    set_error(null);
    const read = async (): Promise<void> => {
      const path = `/projects/${project}/session_recordings/${encodeURIComponent(session)}/snapshots`;
      const response = await api_stream(path, { signal: leave.signal });
      if (!response.body) throw new Error("The answer has no body.");
      const result = await read_recording(response.body, {
        remote,
        own_host: location.host,
        from,
        stopped: () => stopped.current || leave.signal.aborted,
        on_progress: (n) => {
          if (performance.now() - told < kTellMs || leave.signal.aborted) return;
          told = performance.now();
          set_bytes(n);
        },
      });
      if (!leave.signal.aborted) set_recording(result);
    };
    read().catch((e: unknown) => {
      if (!leave.signal.aborted) set_error(e as Error);
    });
    return () => leave.abort();
  }, [project, session, remote, from, enabled, attempt]);

  const stop = useCallback(() => {
    stopped.current = true;
  }, []);
  const retry = useCallback(() => set_attempt((n) => n + 1), []);
  return { recording, bytes, error, retry, stop };
}
