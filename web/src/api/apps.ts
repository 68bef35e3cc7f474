// The admin API's apps: packages, their versions, and how the project has configured them.
import { keepPreviousData, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";

import type { AppFilters } from "../lib/filter_form";
import type { PublicJobs } from "../lib/job_form";
import { api } from "./client";

export interface AppField {
  key?: string;
  name?: string;
  label?: string;
  markdown?: string;
  type?: string;
  choices?: (string | { label: string; value: string })[];
  default?: unknown;
  hint?: string;
  description?: string;
  required?: boolean;
  secret?: boolean;
  visible_if?: [string, string][];
}

export interface App {
  id: number;
  name: string;
  description: string;
  url: string;
  language: "javascript" | "hog";
  main: string;
  version: number;
  is_global: boolean;
  config_schema: AppField[];
  capabilities: { methods?: string[]; jobs?: string[] };
  /** What people may start, with what it asks for. */
  public_jobs: PublicJobs;
  created_at: string;
  updated_at: string;
}

export interface AppExport {
  state: "running" | "done" | "failed" | "cancelled";
  from: string;
  to: string;
  at: string;
  /** 0 to 1, of the time. */
  share: number;
  exported: number;
  failed: number;
  passed_over: number;
  next_at: string | null;
  error: string | null;
}

export interface AppStatus {
  health: "loading" | "healthy" | "degraded" | "disabled" | "failed";
  attempts: number;
  retry_at: string | null;
  last_error: { message?: string } | null;
  events: number;
  succeeded: number;
  failed: number;
  dropped: number;
  /** Events that came out of it otherwise than they went in. */
  changed: number;
  /** Events of the project that came to its turn. */
  offered: number;
  filtered: number;
  filtering_failed: number;
  filters_error: string | null;
  cpu_us_per_event: number;
  memory_bytes: number;
  metrics: Record<string, number>;
  /** Past events handed to its exportEvents, the last time. */
  export: AppExport | null;
  calls: Record<string, { successes: number; successes_on_retry: number; failures: number; waiting: number }>;
}

export interface AppConfig {
  id: number;
  app: number;
  name: string;
  enabled: boolean;
  order: number;
  config: Record<string, unknown>;
  filters: AppFilters;
  error: { message?: string } | null;
  updated_at: string;
  status: AppStatus | null;
}

export interface AppTemplate {
  id: string;
  name: string;
  description: string;
  language: "javascript" | "hog";
  config_schema: AppField[];
}

export interface AppVersion {
  version: number;
  created_at: string;
  by: string;
  source: string;
  bytes: number;
}

export interface AppLog {
  number: number;
  app_config: number;
  timestamp: string;
  source: string;
  type: string;
  message: string;
}

export interface AppTrial {
  fate: "unchanged" | "changed" | "dropped" | "failed" | "quarantined" | "skipped";
  before: Record<string, unknown>;
  after: Record<string, unknown> | null;
  diff?: { set?: Record<string, unknown>; unset?: string[]; fields?: Record<string, unknown>; keys?: number };
  error: string | null;
  cpu_us: number;
  logs: AppLog[];
}

/** As the server finds it without running anything; line 0: nowhere in particular. */
export interface AppMistake {
  file: string;
  line: number;
  column: number;
  message: string;
}

/** How many of the newest events filters match, and some that do. */
export interface Matches {
  events: number;
  matched: number;
  failed: number;
  error: string | null;
  /** Whether the app is asked when the event's person is known. */
  persons: boolean;
  results: { uuid: string; event: string; distinct_id: string; timestamp: string }[];
}

interface Listed<T> {
  results: T[];
}

const kRefreshMs = 2000;

export function useApps(project: number) {
  return useQuery({
    queryKey: ["apps", project],
    queryFn: () => api<Listed<App>>(`/projects/${project}/apps`),
    refetchInterval: kRefreshMs, // what it can do is known once it has been loaded
  });
}

export function useAppConfigs(project: number) {
  return useQuery({
    queryKey: ["app_configs", project],
    queryFn: () => api<Listed<AppConfig> & { running: boolean }>(`/projects/${project}/app_configs`),
    refetchInterval: kRefreshMs,
  });
}

export function useAppTemplates(project: number) {
  return useQuery({
    queryKey: ["app_templates", project],
    queryFn: () => api<Listed<AppTemplate>>(`/projects/${project}/app_templates`),
    staleTime: Infinity,
  });
}

export function useAppFiles(project: number, app: number | undefined) {
  return useQuery({
    queryKey: ["app", project, app],
    queryFn: () =>
      api<{ app: App; versions: AppVersion[]; files: Record<string, string> }>(`/projects/${project}/apps/${app}`),
    enabled: app !== undefined,
  });
}

export function useAppLogs(project: number, config: number) {
  return useQuery({
    queryKey: ["app_logs", project, config],
    queryFn: () => api<Listed<AppLog>>(`/projects/${project}/app_logs?app_config=${config}&limit=200`),
    refetchInterval: kRefreshMs,
  });
}

/** `filters` as JSON; counted again every few seconds, as events come. */
export function useMatches(project: number, app: number, filters: string) {
  return useQuery({
    queryKey: ["matches", project, app, filters],
    queryFn: ({ signal }) =>
      api<Matches>(`/projects/${project}/app_filters`, { body: { app, filters: JSON.parse(filters) as unknown }, signal }),
    placeholderData: keepPreviousData,
    refetchInterval: 5_000,
  });
}

/** Every change of apps shows everywhere at once. */
export function useAppChange<T, R>(project: number, change: (value: T) => Promise<R>) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: change,
    onSettled: () =>
      Promise.all(
        ["apps", "app_configs", "app"].map((key) => client.invalidateQueries({ queryKey: [key, project] })),
      ),
  });
}
