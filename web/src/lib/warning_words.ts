// What an ingestion warning means and what to do about it. Pure: types in, sentences out.

import { plural } from "./format";

export type Severity = "error" | "warning" | "info";

export interface WarningWords {
  title: string;
  meaning: string;
  todo: string;
}

const kDropped = "The event was not stored.";
const kRefused = "Requests were refused whole, and their senders told so.";
const kSdk = "Look at the code that sends it; the samples name the event and the sender.";

const kWords: Record<string, WarningWords> = {
  billing_limit_exceeded: {
    title: "Over the monthly quota",
    meaning:
      "The project has used up a quota, so these events were dropped and answered as PostHog does; requests for feature flags got none.",
    todo: "Raise the quota under Settings, Intake, or wait for the first of the month.",
  },
  ai_byte_rate_limited: {
    title: "AI events over their budget",
    meaning: `AI events held more bytes a second than the project allows. ${kDropped}`,
    todo: "Raise the budget under Settings, Intake, or send less of each prompt and answer.",
  },
  non_historical_import_drop: {
    title: "Live events while only imports are taken",
    meaning: `The project takes historical imports alone. ${kDropped}`,
    todo: "Switch “Only historical imports” off under Settings, Intake, when the import is done.",
  },
  event_restriction_drop: {
    title: "Dropped by a restriction",
    meaning: "A restriction of this project drops these events.",
    todo: "This is what the restriction says; change it under Settings, Intake.",
  },
  event_restriction: {
    title: "Sent to quarantine by a restriction",
    meaning: "A restriction of this project keeps these events in quarantine.",
    todo: "Look at them under Health; change the restriction under Settings, Intake.",
  },
  redirected_to_topic: {
    title: "Redirected to a topic",
    meaning: "A restriction of this project sends these events to a log topic of its own.",
    todo: "This is what the restriction says; change it under Settings, Intake.",
  },
  event_overflow: {
    title: "A distinct id that sends very much",
    meaning:
      "One distinct id sent more than its rate allows; its events took the overflow lane. They are stored like others, perhaps later.",
    todo: "Often a shared id such as “user” or a loop. If it is right, raise the rate under Settings, Intake.",
  },
  client_ingestion_warning: {
    title: "Said by the SDK",
    meaning: "The SDK itself reports something.",
    todo: "Read its message in the samples.",
  },
  missing_distinct_id: {
    title: "No distinct_id",
    meaning: `An event came without a distinct_id. ${kDropped} In a v0 request the whole request is refused.`,
    todo: kSdk,
  },
  missing_event_name: {
    title: "No event name",
    meaning: `An event came without a name. ${kDropped}`,
    todo: kSdk,
  },
  event_name_too_long: {
    title: "Event name too long",
    meaning: `A name has more than 200 characters. ${kDropped}`,
    todo: "Put what varies into a property instead of the name.",
  },
  distinct_id_too_large: {
    title: "distinct_id too long",
    meaning: `A distinct_id has more than 200 bytes. ${kDropped}`,
    todo: kSdk,
  },
  skipping_event_invalid_distinct_id: {
    title: "distinct_id too long",
    meaning: `A distinct_id has more than 400 characters. ${kDropped}`,
    todo: kSdk,
  },
  invalid_event_timestamp: {
    title: "Unreadable timestamp",
    meaning: `The timestamp is not RFC 3339. ${kDropped}`,
    todo: kSdk,
  },
  ignored_invalid_timestamp: {
    title: "Timestamp ignored",
    meaning: "The timestamp lies outside the years 0 to 9999; the time of receipt was used.",
    todo: kSdk,
  },
  malformed_event_properties: {
    title: "Properties are no object",
    meaning: `properties must be a JSON object. ${kDropped}`,
    todo: kSdk,
  },
  invalid_event_uuid: {
    title: "Not a UUID",
    meaning: "An event's uuid is not a UUID; the request was refused.",
    todo: "Leave uuid out or send a real one.",
  },
  cookieless_missing_user_agent: {
    title: "No user agent for a visitor without cookies",
    meaning: `The event has no $raw_user_agent, so no id could be made. ${kDropped}`,
    todo: kSdk,
  },
  cookieless_missing_host: {
    title: "No host for a visitor without cookies",
    meaning: `The event has no $host, so no id could be made. ${kDropped}`,
    todo: kSdk,
  },
  cookieless_missing_ip: {
    title: "No address for a visitor without cookies",
    meaning: `The visitor's address is not known, so no id could be made. ${kDropped}`,
    todo: "Check that your proxy passes the client's address on.",
  },
  cookieless_timestamp_out_of_range: {
    title: "A visitor without cookies came too late",
    meaning: `The event's day is over everywhere, and its salt is deleted. ${kDropped}`,
    todo: "Events of such visitors must arrive within three days.",
  },
  uuid_conflict: {
    title: "Two different events with one uuid",
    meaning:
      "An event came under a uuid that another event of this project has. The first one was kept; this one waits in quarantine.",
    todo: "Give every event a uuid of its own. A retry of the same event is no conflict.",
  },
  duplicate_event_uuid: {
    title: "The same UUID twice in a batch",
    meaning: "The request was refused.",
    todo: "Make a fresh uuid for every event.",
  },
  message_size_too_large: {
    title: "Event too large",
    meaning: `An event is larger than this server takes. ${kDropped} Alone in its request it is refused with 413.`,
    todo: "Send less in one event, or raise capture.message_bytes_max.",
  },
  ai_event_too_big: {
    title: "AI event too large",
    meaning: `An event of /i/v1/ai/events is larger than capture.ai_event_bytes_max. ${kDropped}`,
    todo: "Send less of the prompt or answer in one event, or raise the limit.",
  },
  misrouted_event: {
    title: "Sent to the wrong endpoint",
    meaning: `An event whose name does not begin with $ai_ came to /i/v1/ai/events. ${kDropped}`,
    todo: "Capture it as an ordinary event.",
  },
  payload_too_large: {
    title: "Request too large",
    meaning: `${kRefused} Its body is larger than this server takes.`,
    todo: "Send fewer events at once, or raise the limit that the message names.",
  },
  too_many_events: {
    title: "Too many events in a request",
    meaning: kRefused,
    todo: "Send fewer events at once, or raise capture.events_per_request_max.",
  },
  invalid_json: {
    title: "Not JSON",
    meaning: `${kRefused} Its body is not valid JSON, or not of a shape that holds events.`,
    todo: "Look at what sends it; the samples name the path and the answer.",
  },
  request_parsing_error: {
    title: "A request that cannot be read",
    meaning: `${kRefused} Its body is not valid JSON, or a member is missing or of the wrong type.`,
    todo: "The samples have the answer that was given; it names the member.",
  },
  cannot_merge_already_identified: {
    title: "Merge of two identified persons refused",
    meaning: "$identify or $create_alias would have joined two persons who were both identified.",
    todo: "Call reset() on logout, and use $merge_dangerously if they really are one person.",
  },
  cannot_merge_with_illegal_distinct_id: {
    title: "Merge with an impossible id refused",
    meaning: "An id such as “null” or “anonymous” would have joined unrelated people.",
    todo: "Identify only once a real id is known.",
  },
  invalid_event_when_process_person_profile_is_false: {
    title: "Identify without person profiles",
    meaning: `The event needs a person, and person profiles are off for it. ${kDropped}`,
    todo: "Do not identify where $process_person_profile is false.",
  },
  person_properties_size_violation: {
    title: "Too many person properties",
    meaning: "A person would have had more than 640 KB of properties; the change was refused.",
    todo: "Keep long or growing values in events.",
  },
  event_dropped_too_old: {
    title: "Older than this project takes",
    meaning: `Events were older than the project's age limit when they came. ${kDropped}`,
    todo: "This is what the setting says; change it under Settings, Ingestion.",
  },
  schema_validation_failed: {
    title: "Not as its schema says",
    meaning: `A property that the project's schema requires is missing or of another type. ${kDropped}`,
    todo: "The samples name the property. Mend what sends it, or the schema.",
  },
  invalid_ai_token_property: {
    title: "A token count is no number",
    meaning: "An event about a language model came with a count of tokens that is no number. The event was stored, the count as null.",
    todo: "The samples name the property and what came. Send plain numbers; a provider's usage is often an object with the count in it.",
  },
  invalid_group_set: {
    title: "Group properties are no object",
    meaning: "A $groupidentify came whose $group_set is no object. The event was stored, the group was not changed.",
    todo: kSdk,
  },
  group_key_too_long: {
    title: "Group key too long",
    meaning: `The key of a group has more than 400 characters. ${kDropped}`,
    todo: kSdk,
  },
  group_upsert_message_size_too_large: {
    title: "Group too large",
    meaning: "A group would have grown beyond 655,360 bytes of properties. The event was stored, the group was not changed.",
    todo: "Keep on the group what describes it; what happens to it belongs into events.",
  },
  invalid_event_session_id: {
    title: "Session id is no UUID",
    meaning: "An event's $session_id is not a UUID. It was stored as it is, but cannot be joined with recordings.",
    todo: kSdk,
  },
  invalid_heatmap_data: {
    title: "Heatmap data not understood",
    meaning: "The heatmap part of an event was left out; the event itself is stored.",
    todo: "Update posthog-js.",
  },
  heatmaps_disabled: {
    title: "Heatmaps are switched off",
    meaning: "Heatmap data came although heatmaps are switched off for this project; it was not stored.",
    todo: "Nothing to do, or switch them on under Settings, Browser SDK.",
  },
  rejecting_heatmap_data_with_invalid_items: {
    title: "Points of a heatmap left out",
    meaning: "Points without numbers for x and y, without a type or a target were left out, or there were too many.",
    todo: "Update posthog-js.",
  },
  rejecting_heatmap_data_with_invalid_url: {
    title: "Pages of a heatmap left out",
    meaning: "Points of a page without a URL were left out.",
    todo: "Update posthog-js.",
  },
  row_refused_by_store: {
    title: "A row the engine refused",
    meaning: "The row is kept here as it was.",
    todo: "Report it: this should not happen.",
  },
};

export function words_of(type: string): WarningWords {
  const known = Object.hasOwn(kWords, type) ? kWords[type] : undefined;
  if (known) return known;
  const text = type.replaceAll("_", " ");
  return {
    title: text.charAt(0).toUpperCase() + text.slice(1),
    meaning: "Something about these events is not as it should be.",
    todo: kSdk,
  };
}

/** How much a group is about: events as the ledger has them, refused requests, or the warnings themselves. */
export function amount_of(group: Group, events: number | undefined): string {
  const parts = [];
  if (events !== undefined) parts.push(plural(events, "event"));
  if (group.requests > 0) parts.push(plural(group.requests, "request"));
  return parts.join(", ") || plural(group.count, "warning");
}

export interface Details {
  severity: Severity;
  category: string;
  event: string;
  distinct_id: string;
  uuid: string;
  message: string;
  rest: Record<string, unknown>;
}

function text_of(value: unknown): string {
  return typeof value === "string" ? value : value === undefined ? "" : JSON.stringify(value);
}

/** The details of one warning, whoever wrote them. */
export function read_details(json: string): Details {
  let all: Record<string, unknown> = {};
  try {
    const parsed: unknown = JSON.parse(json);
    if (typeof parsed === "object" && parsed !== null) all = parsed as Record<string, unknown>;
  } catch {
    all = { details: json };
  }
  const { severity, category, event, distinctId, eventUuid, message, pipelineStep, ...rest } = all;
  void pipelineStep;
  return {
    severity: severity === "error" || severity === "info" ? severity : "warning",
    category: text_of(category),
    event: text_of(event),
    distinct_id: text_of(distinctId),
    uuid: text_of(eventUuid),
    message: text_of(message),
    rest,
  };
}

export interface Group {
  type: string;
  source: string;
  count: number;
  /** Refused whole: such requests are counted, not their events. */
  requests: number;
  last: string;
  steps: number[];
}

/** Counts per step of time, zero where nothing was. */
export function spread(keys: number[], values: number[], steps: number): number[] {
  const out = new Array<number>(steps).fill(0);
  keys.forEach((key, i) => {
    if (key >= 0 && key < steps) out[key] = (out[key] ?? 0) + (values[i] ?? 0);
  });
  return out;
}
