// The ledger's numbers and the events behind them; quarantine and what is done with it.
import { keepPreviousData, useInfiniteQuery, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";

import { api } from "./client";
import type { AppStep, Ledger, TraceState } from "./types";

export type LedgerStep = "minute" | "hour" | "day";

export function useLedger(project: number, step: LedgerStep, hours: number) {
  return useQuery({
    queryKey: ["ledger", project, step, hours],
    queryFn: () => {
      const from = new Date(Date.now() - hours * 3_600_000).toISOString();
      return api<Ledger>(`/projects/${project}/ledger?step=${step}&from=${encodeURIComponent(from)}`);
    },
    refetchInterval: 5_000,
    placeholderData: keepPreviousData,
  });
}

/** One number of the ledger, as the API is asked for its events. */
export interface Cell {
  what: string;
  label: string;
  count: number;
  from: string;
  to: string;
  lane?: string;
  reason?: string;
}

export interface CellEvent {
  uuid: string;
  state: TraceState;
  event: string;
  distinct_id: string;
  received_at: string;
  reason: string;
  stage: string;
  lane: string;
  partition: number;
  offset: number;
  quarantine_id: string;
}

export interface CellPage {
  counted: number;
  gone: number;
  events: CellEvent[];
  next: string | null;
}

export function useCellEvents(project: number, cell: Cell | null) {
  return useInfiniteQuery({
    queryKey: ["ledger-events", project, cell],
    queryFn: ({ pageParam }) => {
      const asked = new URLSearchParams({ what: cell?.what ?? "", from: cell?.from ?? "", to: cell?.to ?? "" });
      if (cell?.lane) asked.set("lane", cell.lane);
      if (cell?.reason) asked.set("reason", cell.reason);
      if (pageParam) asked.set("after", pageParam);
      return api<CellPage>(`/projects/${project}/ledger/events?${asked}`);
    },
    initialPageParam: "",
    getNextPageParam: (last) => last.next ?? undefined,
    enabled: cell !== null,
    staleTime: 2_000,
  });
}

export interface StoredRow {
  part: string;
  part_row: number;
}

/** Where the engine has the event; asked when somebody wants to know. */
export function useStoredRows(project: number, uuid: string, enabled: boolean) {
  return useQuery({
    queryKey: ["trace-rows", project, uuid],
    queryFn: async () => (await api<{ rows: StoredRow[] }>(`/projects/${project}/trace/${uuid}/rows`)).rows,
    enabled,
    retry: false,
  });
}

export interface Select {
  reason?: string;
  token?: string;
  event?: string;
  distinct_id?: string;
  text?: string;
  ids?: string[];
}

export interface Quarantined {
  id: string;
  reason: string;
  stage: string;
  uuid: string;
  received_at: string;
  quarantined_at: string | null;
  token: string;
  event: string;
  distinct_id: string;
  lane: string;
  partition: number;
  offset: number;
  size_bytes: number;
  version: string;
  edited_by: string;
  edited_at: string | null;
}

export interface QuarantinedWhole extends Quarantined {
  readable: boolean;
  data: string;
  edited: string;
  arrival?: Record<string, string | boolean | null>;
}

interface QuarantinePage {
  entries: Quarantined[];
  next: string | null;
  usage: { entries: number; bytes: number };
}

export function useQuarantined(project: number, select: Select) {
  return useInfiniteQuery({
    queryKey: ["quarantine", project, select],
    queryFn: ({ pageParam }) => {
      const asked = new URLSearchParams({ limit: "100" });
      for (const [key, value] of Object.entries(select)) {
        if (typeof value === "string" && value !== "") asked.set(key, value);
      }
      if (pageParam) asked.set("after", pageParam);
      return api<QuarantinePage>(`/projects/${project}/quarantine?${asked}`);
    },
    initialPageParam: "",
    getNextPageParam: (last) => last.next ?? undefined,
    refetchInterval: 3_000,
    placeholderData: keepPreviousData,
  });
}

export function useQuarantinedEvent(project: number, id: string) {
  return useQuery({
    queryKey: ["quarantined", project, id],
    queryFn: () => api<QuarantinedWhole>(`/projects/${project}/quarantine/${id}`),
    enabled: id !== "",
    retry: false,
  });
}

export interface Difference {
  path: string;
  before: unknown;
  after: unknown;
}

export interface Trial {
  outcome: "accepted" | "dropped" | "duplicate" | "quarantined";
  reason: string;
  stage: string;
  row?: Record<string, unknown> & { person_id: string; person_why: string };
  diff?: Difference[];
  warnings: { type: string; details: Record<string, unknown> }[];
  changes: { persons: number; distinct_ids: number; groups: number; others: number };
  /** What each of the project's apps would do with it, without side effects. */
  apps: AppStep[];
}

export function useTrial(project: number, id: string) {
  return useMutation({
    mutationFn: (data: string) =>
      api<Trial>(`/projects/${project}/quarantine/${id}/try`, { method: "POST", body: { data } }),
  });
}

export function useEdit(project: number, id: string) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (data: string) =>
      api(`/projects/${project}/quarantine/${id}`, { method: "PUT", body: { data } }),
    onSuccess: () => {
      void client.invalidateQueries({ queryKey: ["quarantined", project, id] });
      void client.invalidateQueries({ queryKey: ["quarantine", project] });
    },
  });
}

export function useQuarantineCommand(project: number, what: "redrive" | "discard") {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (body: { select: Select; per_second?: number }) =>
      api<{ command: string; total: number }>(`/projects/${project}/quarantine/${what}`, { method: "POST", body }),
    onSettled: () => {
      void client.invalidateQueries({ queryKey: ["quarantine", project] });
      void client.invalidateQueries({ queryKey: ["redrives", project] });
    },
  });
}

export interface Redrive {
  id: string;
  state: "running" | "waiting" | "done" | "stopped";
  who: string;
  began_at: string;
  ended_at: string | null;
  total: number;
  left: number | null;
  per_second: number;
  left_out: number;
  last_error: string;
  select: Select;
}

export function is_open(redrive: Redrive): boolean {
  return redrive.ended_at === null;
}

export function useRedrives(project: number) {
  return useQuery({
    queryKey: ["redrives", project],
    queryFn: async () => (await api<{ redrives: Redrive[] }>(`/projects/${project}/quarantine/redrives`)).redrives,
    refetchInterval: (query) => (query.state.data?.some(is_open) ? 700 : 5_000),
  });
}

export function useStopRedrive(project: number) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (id: string) =>
      api(`/projects/${project}/quarantine/redrives/${id}/stop`, { method: "POST" }),
    onSettled: () => client.invalidateQueries({ queryKey: ["redrives", project] }),
  });
}
