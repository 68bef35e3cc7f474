// Persons: what the API says of them, and how to ask.
import { keepPreviousData, useInfiniteQuery, useQuery } from "@tanstack/react-query";

import { api, is_status } from "./client";
import type { QueryAnswer, RecordingSummary } from "./types";

export type FilterOperator = "exact" | "is_not" | "icontains" | "not_icontains" | "is_set" | "is_not_set";

export interface PersonFilter {
  key: string;
  operator: FilterOperator;
  value?: string;
}

export interface PersonsAsked {
  search: string;
  order: "seen" | "created";
  filters: PersonFilter[];
}

export interface PersonRow {
  id: string;
  email: string | null;
  name: string | null;
  country: string | null;
  browser: string | null;
  os: string | null;
  property_count: number;
  is_identified: boolean;
  created_at: string;
  last_seen_at: string | null;
  distinct_ids: string[];
  found_by: "uuid" | "distinct_id" | "distinct_id_prefix" | "properties" | "order";
}

export interface PersonsAnswer {
  count: number;
  results: PersonRow[];
  next: string | null;
  fresh: { undecided_events: number; unstored_records: number };
  incomplete: string | null;
}

export interface PersonProfile {
  id: string;
  properties: Record<string, unknown>;
  is_identified: boolean;
  version: number;
  created_at: string;
  last_seen_at: string | null;
  distinct_ids: string[];
  distinct_id_count: number;
  distinct_id_count_exact: boolean;
}

export interface PersonEvent {
  uuid: string;
  event: string;
  timestamp: string;
  distinct_id: string;
  url: string;
  session_id: string;
  person_mode: string;
}

export interface PersonActivity {
  event_count: number;
  event_names: number;
  first_event_at: string | null;
  last_event_at: string | null;
  events: { event: string; count: number; last_event_at: string }[];
}

export interface PersonGroup {
  type: string;
  key: string;
  event_count: number;
  last_event_at: string;
}

interface PageOf<T> {
  results: T[];
  next: string | null;
}

export function usePersons(project: number, asked: PersonsAsked) {
  return useInfiniteQuery({
    queryKey: ["persons", project, asked],
    queryFn: ({ pageParam, signal }) => {
      const query = new URLSearchParams({ order: asked.order, limit: "100" });
      if (asked.search) query.set("search", asked.search);
      if (asked.filters.length > 0) query.set("properties", JSON.stringify(asked.filters));
      if (pageParam) query.set("after", pageParam);
      return api<PersonsAnswer>(`/projects/${project}/persons?${query}`, { signal });
    },
    initialPageParam: "",
    getNextPageParam: (page) => page.next,
    placeholderData: keepPreviousData,
    // One page is cheap to look at again; many are not.
    refetchInterval: (query) => ((query.state.data?.pages.length ?? 0) < 2 ? 10_000 : false),
  });
}

/** Whose this distinct id is; null: nobody's. */
export function usePersonOf(project: number, distinct_id: string) {
  return useQuery({
    queryKey: ["person-of", project, distinct_id],
    queryFn: async () => {
      const path = `/projects/${project}/persons?distinct_id=${encodeURIComponent(distinct_id)}`;
      return (await api<PersonsAnswer>(path)).results[0] ?? null;
    },
    enabled: distinct_id !== "",
  });
}

export function usePerson(project: number, id: string) {
  return useQuery({
    queryKey: ["person", project, id],
    queryFn: () => api<PersonProfile>(`/projects/${project}/persons/${id}`),
    refetchInterval: (query) => (query.state.error ? false : 15_000),
    retry: (failures, error) => failures < 2 && !is_status(error, 404) && !is_status(error, 400),
  });
}

function use_pages<T>(project: number, id: string, what: string, limit: number) {
  return useInfiniteQuery({
    queryKey: [`person-${what}`, project, id],
    queryFn: ({ pageParam, signal }) => {
      const query = new URLSearchParams({ limit: String(limit) });
      if (pageParam) query.set("after", pageParam);
      return api<PageOf<T>>(`/projects/${project}/persons/${id}/${what}?${query}`, { signal });
    },
    initialPageParam: "",
    getNextPageParam: (page) => page.next,
  });
}

export function usePersonIds(project: number, id: string) {
  return use_pages<{ distinct_id: string; version: number }>(project, id, "distinct_ids", 200);
}

export function usePersonEvents(project: number, id: string) {
  return use_pages<PersonEvent>(project, id, "events", 100);
}

export function usePersonActivity(project: number, id: string) {
  return useQuery({
    queryKey: ["person-activity", project, id],
    queryFn: () => api<PersonActivity>(`/projects/${project}/persons/${id}/activity`),
    enabled: id !== "",
    refetchInterval: 30_000,
  });
}

export function usePersonGroups(project: number, id: string) {
  return useQuery({
    queryKey: ["person-groups", project, id],
    queryFn: async () =>
      (await api<{ results: PersonGroup[] }>(`/projects/${project}/persons/${id}/groups`)).results,
  });
}

export function usePersonRecordings(project: number, id: string) {
  return useQuery({
    queryKey: ["person-recordings", project, id],
    queryFn: async () => {
      const query = new URLSearchParams({ limit: "200", from: "2000-01-01T00:00:00Z" });
      const path = `/projects/${project}/persons/${id}/recordings?${query}`;
      return (await api<{ results: RecordingSummary[] }>(path)).results;
    },
    enabled: id !== "",
  });
}

export interface StoredEvent {
  properties: Record<string, unknown>;
  person_properties: Record<string, unknown>;
}

/** What the row of an event carries; null: it is not there. */
export function useStoredEvent(project: number, uuid: string, timestamp: string) {
  return useQuery({
    queryKey: ["stored-event", project, uuid],
    queryFn: async (): Promise<StoredEvent | null> => {
      const day = timestamp.slice(0, 10);
      const query = `SELECT properties, person_properties FROM events
WHERE uuid = '${uuid}' AND toDate(timestamp) = '${day}' LIMIT 1`;
      const answer = await api<QueryAnswer>(`/projects/${project}/query`, { body: { query } });
      const [row] = answer.results;
      if (!row) return null;
      return {
        properties: JSON.parse(String(row[0])) as Record<string, unknown>,
        person_properties: JSON.parse(String(row[1]) || "{}") as Record<string, unknown>,
      };
    },
    enabled: uuid !== "",
    staleTime: 300_000,
  });
}
