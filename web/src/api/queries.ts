// What the pages ask the API for, with how long an answer stays fresh.
import { keepPreviousData, useQuery } from "@tanstack/react-query";

import type { Flag } from "../lib/flag_form";
import type { RemoteConfig } from "../lib/remote_config";
import { api } from "./client";
import type {
  ApiKey,
  Ledger,
  Me,
  Project,
  RecordingSummary,
  SchemaTable,
  Status,
  Trace,
  TraceEntry,
} from "./types";

export function useMe() {
  return useQuery({ queryKey: ["me"], queryFn: () => api<Me>("/me"), staleTime: 60_000 });
}

export function useProjects() {
  return useQuery({
    queryKey: ["projects"],
    queryFn: async () => (await api<{ projects: Project[] }>("/projects")).projects,
    staleTime: 30_000,
  });
}

export function useKeys() {
  return useQuery({
    queryKey: ["keys"],
    queryFn: async () => (await api<{ keys: ApiKey[] }>("/keys")).keys,
  });
}

/** Every setting of the project, by its name; {} where none was written. */
export function useSettings(project: number) {
  return useQuery({
    queryKey: ["settings", project],
    queryFn: () => api<Record<string, RemoteConfig>>(`/projects/${project}/settings`),
  });
}

export function useFlags(project: number) {
  return useQuery({
    queryKey: ["flags", project],
    queryFn: async () => (await api<{ results: Flag[] }>(`/projects/${project}/feature_flags`)).results,
  });
}

export function useStatus(every_ms: number) {
  return useQuery({
    queryKey: ["status"],
    queryFn: () => api<Status>("/status"),
    refetchInterval: every_ms,
    staleTime: 1_000,
  });
}

export function useSchema(project: number) {
  return useQuery({
    queryKey: ["schema", project],
    queryFn: async () =>
      (await api<{ tables: SchemaTable[] }>(`/projects/${project}/schema`)).tables,
    staleTime: 300_000,
  });
}

/** How many events the project received lately; asked again and again only while it is none. */
export function useReceived(project: number, enabled: boolean) {
  return useQuery({
    queryKey: ["received", project],
    queryFn: async () => {
      const from = new Date(Date.now() - 30 * 86_400_000).toISOString();
      const path = `/projects/${project}/ledger?step=total&from=${encodeURIComponent(from)}`;
      return (await api<Ledger>(path)).total.received;
    },
    enabled,
    refetchInterval: (query) => (query.state.data === 0 ? 2_000 : false),
  });
}

/** States that change by themselves soon; the page keeps asking while it sees one. */
function is_moving(entry: Pick<TraceEntry, "state">): boolean {
  return entry.state === "in_flight" || entry.state === "accepted";
}
function moves(trace: Trace | undefined): boolean {
  return [...(trace?.entries ?? []), ...(trace?.events ?? [])].some(is_moving);
}

export function useTrace(project: number, uuid: string, enabled = true) {
  return useQuery({
    queryKey: ["trace", project, uuid],
    queryFn: () => api<Trace>(`/projects/${project}/trace/${uuid}`),
    enabled,
    refetchInterval: (query) => (moves(query.state.data) ? 1_500 : false),
  });
}

export interface RecordingFilter {
  distinct_id: string;
  session_id: string;
  url: string;
  days: number;
  min_seconds: number;
  errors_only: boolean;
}

export function useRecordings(project: number, filter: RecordingFilter, limit: number) {
  return useQuery({
    queryKey: ["recordings", project, filter, limit],
    queryFn: async () => {
      const from = new Date(Date.now() - filter.days * 86_400_000).toISOString();
      const asked = new URLSearchParams({ limit: String(limit), from });
      if (filter.distinct_id) asked.set("distinct_id", filter.distinct_id);
      if (filter.session_id) asked.set("session_id", filter.session_id);
      if (filter.url) asked.set("url", filter.url);
      if (filter.min_seconds > 0) asked.set("min_duration_ms", String(filter.min_seconds * 1000));
      if (filter.errors_only) asked.set("console_errors", "1");
      const path = `/projects/${project}/session_recordings?${asked}`;
      return (await api<{ results: RecordingSummary[] }>(path)).results;
    },
    refetchInterval: 5_000,
    placeholderData: keepPreviousData,
  });
}

/** One session's recording; null when there is none, which is no failure of anything. */
export function useRecordingSummary(project: number, session: string) {
  return useQuery({
    queryKey: ["recording", project, session],
    queryFn: async () => {
      const asked = new URLSearchParams({ session_id: session, from: "2000-01-01T00:00:00Z" });
      const path = `/projects/${project}/session_recordings?${asked}`;
      return (await api<{ results: RecordingSummary[] }>(path)).results[0] ?? null;
    },
    enabled: session !== "",
    // What is not there yet may come any second.
    staleTime: (query) => (query.state.data ? 60_000 : 3_000),
  });
}
