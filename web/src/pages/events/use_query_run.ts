// One query at a time: run, cancel, and what came of it.
import { useCallback, useEffect, useRef, useState } from "react";

import { api, is_status } from "../../api/client";
import type { QueryAnswer } from "../../api/types";
import { random_uuid } from "../../lib/uuid";

// The engine opens its tables for a moment after a start, and starts anew when it died: a query waits
// for it that long before its refusal is shown.
const kEngineWaitMs = 15_000;
const kEnginePauseMs = 300;

async function ask(project: number, body: object, wanted: () => boolean): Promise<QueryAnswer> {
  const until = Date.now() + kEngineWaitMs;
  for (;;) {
    try {
      return await api<QueryAnswer>(`/projects/${project}/query`, { body });
    } catch (error) {
      if (!is_status(error, 503) || !wanted() || Date.now() > until) throw error;
    }
    await new Promise((done) => setTimeout(done, kEnginePauseMs));
    if (!wanted()) throw new Error("The query was cancelled.");
  }
}

export interface QueryRun {
  running: boolean;
  /** Seconds since the running query began, for people who wait. */
  seconds: number;
  answer: QueryAnswer | null;
  error: Error | null;
  run: (sql: string) => Promise<void>;
  cancel: () => void;
}

export function useQueryRun(project: number): QueryRun {
  const [answer, set_answer] = useState<QueryAnswer | null>(null);
  const [error, set_error] = useState<Error | null>(null);
  const [seconds, set_seconds] = useState(0);
  const [running, set_running] = useState<string | null>(null);
  const current = useRef<string | null>(null);
  const cancelled = useRef(false);

  const stop_on_server = useCallback(
    (id: string) => {
      // Not found means that it just ended by itself.
      void api(`/projects/${project}/query/${id}`, { method: "DELETE" }).catch(() => undefined);
    },
    [project],
  );

  useEffect(() => {
    if (running === null) return undefined;
    const begun = Date.now();
    set_seconds(0);
    const timer = setInterval(() => set_seconds(Math.floor((Date.now() - begun) / 1000)), 500);
    return () => clearInterval(timer);
  }, [running]);

  // Leaving the page must not leave a query running.
  useEffect(() => () => {
    if (current.current !== null) stop_on_server(current.current);
    current.current = null;
  }, [stop_on_server]);

  const run = useCallback(
    async (sql: string) => {
      if (sql.trim() === "") return;
      if (current.current !== null) stop_on_server(current.current); // the new one takes its place
      const id = random_uuid();
      current.current = id;
      cancelled.current = false;
      set_running(id);
      set_error(null);
      try {
        const body = { query: sql.trim().replace(/;\s*$/, ""), query_id: id };
        const wanted = () => current.current === id && !cancelled.current;
        const result = await ask(project, body, wanted);
        if (current.current === id) set_answer(result);
      } catch (e) {
        if (current.current === id) set_error(e as Error);
      } finally {
        if (current.current === id) {
          current.current = null;
          set_running(null);
        }
      }
    },
    [project, stop_on_server],
  );

  const cancel = useCallback(() => {
    cancelled.current = true;
    if (current.current !== null) stop_on_server(current.current);
  }, [stop_on_server]);

  return { running: running !== null, seconds, answer, error, run, cancel };
}
