// Groups: what the API says of them, and what SQL knows of their events and members.
import { keepPreviousData, useQuery } from "@tanstack/react-query";

import { events_sql, kGroupDays, members_sql, totals_sql } from "../lib/group_sql";
import { api, is_status } from "./client";
import type { QueryAnswer } from "./types";

export interface GroupType {
  group_type_index: number;
  group_type: string;
  created_at: string;
}

export interface Group {
  group_type_index: number;
  group_key: string;
  group_properties: Record<string, unknown>;
  created_at: string;
  version: number;
}

export function useGroupTypes(project: number) {
  return useQuery({
    queryKey: ["group-types", project],
    queryFn: async () => (await api<{ results: GroupType[] }>(`/projects/${project}/groups_types`)).results,
    refetchInterval: 10_000,
  });
}

export function useGroups(project: number, type: number, search: string) {
  return useQuery({
    queryKey: ["groups", project, type, search],
    queryFn: async ({ signal }) => {
      const query = new URLSearchParams({ group_type_index: String(type), limit: "200" });
      if (search) query.set("search", search);
      return (await api<{ results: Group[] }>(`/projects/${project}/groups?${query}`, { signal })).results;
    },
    placeholderData: keepPreviousData,
    refetchInterval: 10_000,
  });
}

/** Null: the group was never described; its events may be there all the same. */
export function useGroup(project: number, type: number, key: string) {
  return useQuery({
    queryKey: ["group", project, type, key],
    queryFn: async (): Promise<Group | null> => {
      const query = new URLSearchParams({ group_type_index: String(type), group_key: key });
      try {
        return await api<Group>(`/projects/${project}/groups/find?${query}`);
      } catch (error) {
        if (error instanceof Error && is_status(error, 404)) return null;
        throw error;
      }
    },
    refetchInterval: 15_000,
  });
}

export interface GroupTotals {
  events: number;
  persons: number;
  first: string | null;
  last: string | null;
}

export interface GroupEvent {
  uuid: string;
  event: string;
  timestamp: string;
  distinct_id: string;
}

export interface GroupMember {
  person_id: string;
  distinct_id: string;
  events: number;
  last: string;
}

function ask<T>(what: string, project: number, type: number, key: string, sql: string, read: (row: unknown[]) => T) {
  return {
    queryKey: [`group-${what}`, project, type, key],
    queryFn: async ({ signal }: { signal: AbortSignal }) =>
      (await api<QueryAnswer>(`/projects/${project}/query`, { body: { query: sql }, signal })).results.map(read),
    refetchInterval: 30_000,
  };
}

export function useGroupTotals(project: number, type: number, key: string) {
  return useQuery(
    ask("totals", project, type, key, totals_sql(type, key), ([events, persons, first, last]): GroupTotals => ({
      events: Number(events),
      persons: Number(persons),
      first: Number(events) > 0 ? String(first) : null,
      last: Number(events) > 0 ? String(last) : null,
    })),
  );
}

export function useGroupEvents(project: number, type: number, key: string) {
  return useQuery(
    ask("events", project, type, key, events_sql(type, key, 100), ([uuid, event, timestamp, distinct_id]): GroupEvent => ({
      uuid: String(uuid),
      event: String(event),
      timestamp: String(timestamp),
      distinct_id: String(distinct_id),
    })),
  );
}

export function useGroupMembers(project: number, type: number, key: string) {
  return useQuery(
    ask("members", project, type, key, members_sql(type, key, 100), ([person_id, distinct_id, events, last]): GroupMember => ({
      person_id: String(person_id),
      distinct_id: String(distinct_id),
      events: Number(events),
      last: String(last),
    })),
  );
}

export { kGroupDays };
