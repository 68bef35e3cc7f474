// The live view's model: one stream into one buffer, and a redraw at most a few times a second.
import { useEffect, useMemo, useReducer, useRef, useState } from "react";

import { TailBuffer } from "../../lib/tail_buffer";
import { TailStream, type TailState } from "../../lib/tail_stream";

const kRedrawMs = 120;

export interface TailFilter {
  event: string;
  distinct_id: string;
  outcome: string;
  since: string;
}

function tail_url(project: number, filter: TailFilter, cursor: string | null): string {
  const query = new URLSearchParams();
  for (const key of ["event", "distinct_id", "outcome"] as const) {
    if (filter[key]) query.set(key, filter[key]);
  }
  // A position says more than a time: with both, the time would hide what was missed meanwhile.
  if (cursor === null) query.set("since", filter.since);
  else query.set("cursor", cursor);
  return `/api/projects/${project}/tail?${query.toString()}`;
}

export interface Tail {
  buffer: TailBuffer;
  state: TailState;
  behind: number;
  gap: boolean;
  set_paused: (paused: boolean) => void;
  clear: () => void;
}

export function useTail(project: number, filter: TailFilter): Tail {
  const { event, distinct_id, outcome, since } = filter;
  const key = JSON.stringify([project, event, distinct_id, outcome, since]);
  // A new buffer for every filter: events of different filters must not mix.
  const buffer = useMemo(() => new TailBuffer(), [key]);
  const stream = useRef<TailStream | null>(null);
  const dirty = useRef(false);
  const [, redraw] = useReducer((n: number) => n + 1, 0);
  const [state, set_state] = useState<TailState>("connecting");
  const [behind, set_behind] = useState(0);
  const [gap, set_gap] = useState(false);

  useEffect(() => {
    set_gap(false);
    set_behind(0);
    const tail = new TailStream({
      url: (cursor) => tail_url(project, { event, distinct_id, outcome, since }, cursor),
      on_event: (text) => {
        buffer.push(text);
        dirty.current = true;
        // Memory is bounded, and nothing may be lost: the rest waits in the server's log.
        if (buffer.paused && buffer.full) tail.suspend();
      },
      on_behind: set_behind,
      on_state: set_state,
      on_gap: () => set_gap(true),
    });
    stream.current = tail;
    tail.start();
    const timer = setInterval(() => {
      if (!dirty.current) return;
      dirty.current = false;
      redraw();
    }, kRedrawMs);
    return () => {
      clearInterval(timer);
      tail.stop();
    };
  }, [buffer, project, event, distinct_id, outcome, since]);

  return {
    buffer,
    state,
    behind,
    gap,
    set_paused: (paused) => {
      if (paused === buffer.paused) return;
      if (paused) buffer.pause();
      else {
        buffer.resume();
        stream.current?.go_on();
      }
      redraw();
    },
    clear: () => {
      buffer.clear();
      redraw();
    },
  };
}
