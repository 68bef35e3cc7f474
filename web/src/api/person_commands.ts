// What people do to persons: their merges, and the commands that change them.
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";

import { api } from "./client";

export interface PersonSnapshot {
  id: string;
  created_at: string;
  is_identified: boolean;
  properties: Record<string, unknown>;
}

export interface PersonMerge {
  event_uuid: string;
  event: string;
  at: string;
  undone: boolean;
  source_distinct_id: string;
  target_distinct_id: string;
  person: string;
  source: PersonSnapshot | null;
  target: PersonSnapshot | null;
  moved_count: number;
  moved: string[];
}

export interface PersonCommand {
  id: string;
  kind: string;
  state: "waiting" | "running" | "done" | "failed";
  step?: string;
  done?: number;
  total?: number;
  last_error?: string;
  report?: {
    error?: string;
    note?: string;
    exact?: boolean;
    person?: string;
    restored_person?: string;
    places?: { place: string; state: string; error?: string }[];
  };
}

export function usePersonMerges(project: number, id: string) {
  return useQuery({
    queryKey: ["person-merges", project, id],
    queryFn: () => api<{ merges: PersonMerge[]; forgotten: number }>(`/projects/${project}/persons/${id}/merges`),
  });
}

export type PersonAction = { undo: string } | { take: string[] } | "delete";

/** Sends the command; its id leads to what becomes of it. */
export function usePersonAction(project: number, id: string) {
  return useMutation({
    mutationFn: async (action: PersonAction) => {
      const path = `/projects/${project}/persons/${id}`;
      if (action === "delete") return (await api<{ command: string }>(path, { method: "DELETE" })).command;
      const body = "undo" in action ? { event: action.undo } : { distinct_ids: action.take };
      return (await api<{ command: string }>(`${path}/split`, { body })).command;
    },
  });
}

/** How far it is; when it is done, everything about persons is asked anew. */
export function usePersonCommand(project: number, command: string | undefined) {
  const client = useQueryClient();
  return useQuery({
    queryKey: ["person-command", project, command],
    queryFn: async () => {
      const now = await api<PersonCommand>(`/projects/${project}/person_commands/${command}`);
      if (now.state === "done" || now.state === "failed") {
        await client.invalidateQueries({
          predicate: (q) => String(q.queryKey[0]).startsWith("person") && q.queryKey[0] !== "person-command",
        });
      }
      return now;
    },
    enabled: command !== undefined,
    refetchInterval: (query) => {
      const state = query.state.data?.state;
      return state === "done" || state === "failed" ? false : 400;
    },
  });
}
