// Definitions: events and properties as the API lists them, and how much of each there was.
import { keepPreviousData, useInfiniteQuery, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";

import { api } from "./client";
import type { QueryAnswer } from "./types";

export type Owner = "event" | "person" | "group";
export type PropertyType = "String" | "Numeric" | "Boolean" | "DateTime";

/** What people say of a definition. */
export interface DefinitionNote {
  description: string;
  tags: string[];
  verified: boolean;
}

export interface EventDefinition extends DefinitionNote {
  name: string;
  first_seen_at: string;
  last_seen_at: string;
}

export interface PropertyDefinition extends DefinitionNote {
  name: string;
  type: Owner | "session";
  property_type: PropertyType | null;
  group_type?: string;
  first_seen_at: string;
}

export interface DefinitionCounts {
  events: number;
  properties: number;
  event_properties: number;
  limits: { events: number; properties: number; event_properties: number };
  left_out: {
    events: number;
    properties: number;
    event_properties: number;
    long_names: number;
    crowded_events: number;
  };
  running: boolean;
  lag_records: number;
  last_error: string;
}

interface PageOf<T> {
  results: T[];
  next: string | null;
}

const kPage = 1_000;

export function useDefinitionCounts(project: number) {
  return useQuery({
    queryKey: ["definitions", project],
    queryFn: () => api<DefinitionCounts>(`/projects/${project}/definitions`),
    refetchInterval: 10_000,
  });
}

function use_list<T>(project: number, path: string, asked: Record<string, string>, enabled = true) {
  return useInfiniteQuery({
    queryKey: ["definitions", project, path, asked],
    queryFn: ({ pageParam, signal }) => {
      const query = new URLSearchParams({ limit: String(kPage), ...asked });
      if (pageParam) query.set("after", pageParam);
      return api<PageOf<T>>(`/projects/${project}/definitions/${path}?${query}`, { signal });
    },
    initialPageParam: "",
    getNextPageParam: (page) => page.next,
    placeholderData: keepPreviousData,
    enabled,
  });
}

export function useEventDefinitions(project: number, search: string, enabled: boolean) {
  return use_list<EventDefinition>(project, "events", { search }, enabled);
}

export function usePropertyDefinitions(project: number, type: Owner, search: string, enabled: boolean) {
  return use_list<PropertyDefinition>(project, "properties", { search, type }, enabled);
}

export function usePropertiesOf(project: number, event: string) {
  return use_list<PropertyDefinition>(project, "properties", { event });
}

export function useEventsWith(project: number, property: string) {
  return use_list<{ name: string }>(project, "events", { property });
}

/** `of`: the query that names it, below events or properties. */
export function useNote(project: number, list: "events" | "properties", of: Record<string, string>) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (note: DefinitionNote) =>
      api<DefinitionNote>(`/projects/${project}/definitions/${list}?${new URLSearchParams(of)}`, { method: "PATCH", body: note }),
    onSuccess: () => client.invalidateQueries({ queryKey: ["definitions", project, list] }),
  });
}

export const kVolumeDays = 14;

export interface Volume {
  total: number;
  /** Oldest first, today last. */
  days: number[];
}

/** How many events of each name there were on each of the last days. */
export function useVolumes(project: number) {
  return useQuery({
    queryKey: ["event-volumes", project],
    queryFn: async () => {
      const query = `SELECT event, toString(count()),
  sumMap([toInt32(dateDiff('day', toDate(timestamp), today()))], [toUInt32(1)])
FROM events
WHERE toDate(timestamp) > today() - ${kVolumeDays} AND toDate(timestamp) <= today()
GROUP BY event ORDER BY count() DESC LIMIT 20000`;
      const answer = await api<QueryAnswer>(`/projects/${project}/query`, { body: { query } });
      const out = new Map<string, Volume>();
      for (const [event, total, by_day] of answer.results) {
        const [ages, counts] = by_day as [number[], (number | string)[]];
        const days = new Array<number>(kVolumeDays).fill(0);
        ages.forEach((age, i) => {
          if (age >= 0 && age < kVolumeDays) days[kVolumeDays - 1 - age] = Number(counts[i]);
        });
        out.set(String(event), { total: Number(total), days });
      }
      return out;
    },
    refetchInterval: 30_000,
    placeholderData: keepPreviousData,
  });
}
