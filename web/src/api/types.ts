// The shapes of docs/API.md, as far as the UI reads them.

export interface Me {
  name: string;
  project_id: number;
  version: string;
}

export interface Project {
  id: number;
  name: string;
  token: string;
  created_at: string;
  capture_url: string;
}

export interface ApiKey {
  id: number;
  label: string;
  prefix: string;
  project_id: number;
  created_at: string;
}

export type OutcomeName = "accepted" | "dropped" | "duplicate" | "quarantined";

export interface TailEvent {
  uuid: string;
  outcome: OutcomeName;
  reason: string;
  received_at: string;
  lane: string;
  partition?: number;
  offset?: number;
  event?: string;
  distinct_id?: string;
  timestamp?: string;
  properties?: Record<string, unknown>;
  person_id?: string;
  person_properties?: Record<string, unknown>;
  person_mode?: string;
  elements_chain?: string;
}

export type TraceState =
  | "refused"
  | "in_flight"
  | "accepted"
  | "stored"
  | "dropped"
  | "duplicate"
  | "quarantined"
  | "redriven";

export interface TraceStep {
  name: string;
  at?: string;
  detail?: string;
}

/** One station of an event's way; which members there are depends on the name. */
/** What one app did with an event. */
export interface AppStep {
  id: number;
  name: string;
  status: "succeeded" | "failed" | "dropped" | "skipped";
  error?: string;
  /** Of a skipped one, in a dry run. */
  why?: string;
  set?: Record<string, unknown>;
  unset?: string[];
  fields?: Record<string, unknown>;
  keys?: number;
}

export interface Hop {
  name: "apps" | "refused" | "received" | "decided" | "person" | "duplicate" | "redriven" | "discarded" | "waiting" | "quarantine" | "stored";
  at?: string | null;
  topic?: string;
  partition?: number;
  offset?: number;
  in_log?: boolean;
  request_id?: string;
  client_request_id?: string;
  sent_at?: string;
  size_bytes?: number;
  redriven?: boolean;
  status?: number;
  verdict?: string;
  reason?: string;
  stage?: string;
  version?: string;
  person_id?: string;
  person_now?: string;
  why?: string;
  mode?: string;
  distinct_id?: string;
  by?: string;
  ahead?: number;
  quarantine_id?: string;
  apps?: AppStep[];
}

export interface RequestEvent {
  uuid: string;
  state: TraceState;
  event: string;
  distinct_id: string;
  received_at: string;
  reason: string;
  lane: string;
}

export interface TraceEntry {
  state: TraceState;
  project_id: number;
  received_at: string;
  lane: string;
  partition: number;
  offset: number;
  event: string;
  distinct_id: string;
  reason: string;
  stage: string;
  status: number;
  duplicates: number;
  last_duplicate_at: string | null;
  steps: TraceStep[];
  hops?: Hop[];
}

export interface Trace {
  uuid: string;
  found: boolean;
  kind?: "event" | "request";
  entries: TraceEntry[];
  /** Of a request: what it brought. */
  events?: RequestEvent[];
  /** Outcomes of that time that the log has deleted. */
  gone?: number;
}

export interface LedgerCounts {
  received: number;
  stored: number;
  deduplicated: number;
  quarantined: number;
  redriven: number;
  in_flight: number;
  dropped: Record<string, number>;
}

export interface LedgerRow extends LedgerCounts {
  start: string;
  lane: string;
}

export interface Balance {
  balanced: boolean;
  received: number;
  received_by_offsets: number;
  decided: number;
  decided_by_offsets: number;
  stored: number;
  accepted: number;
  detail: string;
}

export interface Ledger {
  project_id: number;
  from: string;
  to: string;
  step: string;
  rows: LedgerRow[];
  total: LedgerCounts;
  balance: Balance;
}

export interface HistoryPoint {
  at: string;
  events_per_s: number;
  stored_per_s: number;
  ingest_lag: number;
  load_lag: number;
}

export interface Status {
  version: string;
  uptime_s: number;
  ready: boolean;
  data_dir: string;
  stages: string[];
  capture?: {
    address: string;
    connections: number;
    requests_total: number;
    events_total: number;
    requests_per_s: number;
    events_per_s: number;
    refused_total: number;
    latency_us_p50: number;
    latency_us_p99: number;
  };
  log: {
    disk_bytes: number;
    commits_total: number;
    commit_us_p50: number;
    commit_us_p99: number;
    disk_full: boolean;
    disk_free_bytes: number;
    /** Of a log on Kafka: how far every group of this process is behind in a topic. */
    groups?: { group: string; topic: string; lag_records: number; partitions: number }[];
  };
  ingest?: {
    events_total: number;
    lag_records: number;
    cpu_us_per_event: number;
    last_error: string;
  };
  load?: {
    rows_total: number;
    batches_total: number;
    lag_records: number;
    last_insert_us: number;
    retries_total: number;
    last_error: string;
  };
  squash?: {
    running: boolean;
    phase: string;
    attempts: number;
    overrides_waiting: number;
    overrides: number;
    rows_rewritten: number;
    partitions: number;
    partitions_done: number;
    last_run_at: string | null;
    last_run_ms: number;
    last_error: string;
  };
  store: {
    ready: boolean;
    engine: string;
    version: string;
    restarts: number;
    memory_bytes: number;
    disk_bytes: number;
    detail: string;
  };
  /** Absent where the whole way does not run. */
  self_audit?: {
    every_ms: number;
    at: string | null;
    visible_ms: number;
    audits_total: number;
    failures_total: number;
    last_error: string;
  };
  /** The log's background check of checksums; absent when it is off. */
  scrub?: {
    running: boolean;
    bytes_checked_total: number;
    pass_began_at: string | null;
    last_pass_at: string | null;
    last_pass_bytes: number;
    last_pass_files: number;
    damaged_files: number;
    damage: { file: string; problem: string; found_at: string | null }[];
    last_error: string;
  };
  ledger: {
    balance: Balance;
    totals: Partial<LedgerCounts>;
    /** What the check of every minute found; absent before this version. */
    check?: { at: string | null; balanced: boolean; detail: string; since: string | null; checks: number };
  };
  quarantine: { entries: number; bytes: number };
  memory: { rss_bytes: number };
  history: { step_s: number; points: HistoryPoint[] };
}

export interface SchemaTable {
  name: string;
  columns: { name: string; type: string }[];
}

export interface QueryAnswer {
  query_id: string;
  columns: string[];
  types: string[];
  results: unknown[][];
  rows: number;
  rows_read: number;
  bytes_read: number;
  elapsed_ms: number;
  truncated: boolean;
}

export interface RecordingSummary {
  session_id: string;
  distinct_id: string;
  start_time: string;
  end_time: string;
  duration_ms: number;
  active_ms: number;
  first_url: string;
  urls: string[];
  click_count: number;
  keypress_count: number;
  mouse_activity_count: number;
  console_log_count: number;
  console_warn_count: number;
  console_error_count: number;
  event_count: number;
  message_count: number;
  block_count: number;
  size_bytes: number;
  snapshot_source: string;
  snapshot_library: string;
}
