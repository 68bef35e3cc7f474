// The project's ingestion warnings: counts by type over time, and the latest of each type.
import { keepPreviousData, useQuery } from "@tanstack/react-query";

import { api } from "../../api/client";
import type { Ledger } from "../../api/types";
import { spread, type Group } from "../../lib/warning_words";

export const kSteps = 48;
const kSamples = 5;

interface Answer {
  results: unknown[][];
}

export interface Sample {
  at: string;
  details: string;
}

export interface WarningsView {
  groups: Group[];
  samples: Map<string, Sample[]>;
  /** Events dropped or diverted for a reason, exact, from the ledger. */
  dropped: Record<string, number>;
}

const iso = (clickhouse: unknown): string => `${String(clickhouse).replace(" ", "T")}Z`;

async function ask(project: number, hours: number): Promise<WarningsView> {
  const from_s = Math.floor(Date.now() / 1000) - hours * 3600;
  const step_s = (hours * 3600) / kSteps;
  const since = `timestamp >= toDateTime64(${from_s}, 3, 'UTC')`;
  const query = (sql: string): Promise<Answer> =>
    api<Answer>(`/projects/${project}/query`, { body: { query: sql } });
  const from = encodeURIComponent(new Date(from_s * 1000).toISOString());
  const [counted, latest, ledger] = await Promise.all([
    query(
      `SELECT type, any(source), toUInt32(count()), max(timestamp),
         sum(JSONExtractUInt(details, 'requests')),
         sumMap([toInt32(intDiv(toUnixTimestamp(timestamp) - ${from_s}, ${step_s}))], [toUInt32(1)]) AS steps
       FROM ingestion_warnings WHERE ${since} GROUP BY type ORDER BY count() DESC, type LIMIT 200`,
    ),
    query(
      `SELECT type, timestamp, details FROM ingestion_warnings WHERE ${since}
       ORDER BY timestamp DESC LIMIT ${kSamples} BY type LIMIT 1000`,
    ),
    api<Ledger>(`/projects/${project}/ledger?step=total&from=${from}`),
  ]);
  const groups = counted.results.map(([type, source, count, last, requests, steps]) => {
    const [keys, values] = steps as [number[], (number | string)[]];
    return {
      type: String(type),
      source: String(source),
      count: Number(count),
      requests: Number(requests),
      last: iso(last),
      steps: spread(keys, values.map(Number), kSteps),
    };
  });
  const samples = new Map<string, Sample[]>();
  for (const [type, at, details] of latest.results) {
    const of_type = samples.get(String(type)) ?? [];
    of_type.push({ at: iso(at), details: String(details) });
    samples.set(String(type), of_type);
  }
  return { groups, samples, dropped: ledger.total.dropped };
}

export function useWarnings(project: number, hours: number) {
  return useQuery({
    queryKey: ["warnings", project, hours],
    queryFn: () => ask(project, hours),
    refetchInterval: 10_000,
    placeholderData: keepPreviousData,
  });
}
