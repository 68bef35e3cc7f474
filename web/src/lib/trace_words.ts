// "Where is my event?" in plain words: for every state what happened, and what to do about it.
import type { Hop, TraceEntry, TraceState } from "../api/types";
import { app_words } from "./app_words";
import { plural, whole, words } from "./format";

export type Tone = "good" | "waiting" | "neutral" | "warning" | "bad";

export interface Explanation {
  title: string;
  tone: Tone;
  happened: string;
  todo: string;
}

interface ReasonWords {
  happened: string;
  todo: string;
}

const kReasons: Record<string, ReasonWords> = {
  unknown_token: {
    happened: "Its token belongs to no project here, so nobody could say whose event it is.",
    todo: "Create a project with exactly this token under Settings. Waiting events then flow in by themselves.",
  },
  too_large_to_store: {
    happened: "With its row and what it changes it would be larger than one append to the log can be.",
    todo: "Send less in one event: what is larger than a few megabytes belongs elsewhere, with a link to it.",
  },
  uuid_conflict: {
    happened:
      "Another event with the same uuid was accepted before, and this one says something else. A uuid stands for one event, so only the first one became a row.",
    todo: "Give every event a uuid of its own. A retry of the same event is no conflict.",
  },
  dropped_by_app: {
    happened: "One of the project's apps answered nothing for it, which drops an event.",
    todo: "Nothing to do if the app is meant to. Otherwise look at it under Apps: a forgotten “return” drops everything.",
  },
  app_result_invalid: {
    happened: "What the project's apps made of it is no event any more: an event is an object with properties.",
    todo: "Correct the app under Apps, then drive the event again from Quarantine.",
  },
  cookieless_disabled: {
    happened: "It is from a visitor without cookies, and this project takes none.",
    todo: "Switch it on under Settings, Cookieless.",
  },
  cookieless_disallowed_event: {
    happened: "An alias or merge cannot be made for a visitor without cookies.",
    todo: "Nothing to do, or leave cookieless_mode out.",
  },
  cookieless_disallowed_identify: {
    happened: "Visitors without cookies cannot be identified in stateless mode.",
    todo: "Choose stateful under Settings, Cookieless.",
  },
  unreadable_record: {
    happened: "Its record in the log could not be read by this version.",
    todo: "The bytes are kept. Please report this: it should never happen.",
  },
  wrong_slice: {
    happened: "It was written to a partition of other projects, not by one of Penstock’s captures.",
    todo: "Drive it again from the page Quarantine. With ingest.slice_lanes only Penstock may write lanes.",
  },
  invalid_distinct_id: {
    happened:
      "Its distinct_id stands for nobody in particular, such as “null”, “undefined” or “anonymous”. Taking it would merge strangers into one person.",
    todo: "Send a real id of the user or device as distinct_id.",
  },
  invalid_event_when_process_person_profile_is_false: {
    happened:
      "It changes a person ($identify, $set, an alias or a group) and also says $process_person_profile: false. Both cannot be true.",
    todo: "Remove $process_person_profile: false from this call, or do not send it.",
  },
  client_ingestion_warning: {
    happened: "It is a warning an SDK sends about itself, not an event of your product.",
    todo: "Nothing to do.",
  },
  event_dropped_too_old: {
    happened: "It was older than this project's age limit when it came.",
    todo: "Nothing to do, unless it should be kept: the limit stands under Settings, Ingestion.",
  },
  event_filtered: {
    happened: "This project's event filter drops such events.",
    todo: "Nothing to do, unless it should be kept: the filter stands under Settings, Ingestion.",
  },
  schema_validation_failed: {
    happened: "A property that the project's schema requires is missing or of another type.",
    todo: "Look at Warnings: it names the property.",
  },
  group_key_too_long: {
    happened: "It describes a group whose key has more than 400 characters.",
    todo: "Send a shorter $group_key, such as the id your own database has.",
  },
  heatmaps_disabled: {
    happened: "It carries heatmap data, and heatmaps are switched off for this project.",
    todo: "Nothing to do. To keep heatmaps, switch them on under Settings, Browser SDK.",
  },
  invalid_heatmap_data: {
    happened: "It carries heatmap data of which not a single point could be stored.",
    todo: "Look at Warnings: it says what is wrong. Usually the SDK needs an update.",
  },
  missing_distinct_id: {
    happened: "It has no distinct_id.",
    todo: "Every event needs a distinct_id: at the top level or inside properties.",
  },
  missing_event: {
    happened: "It has no event name.",
    todo: "Every event needs a non-empty name in “event”.",
  },
  missing_event_name: {
    happened: "It has no event name.",
    todo: "Every event needs a non-empty name in “event”.",
  },
  invalid_json: {
    happened: "The request body is not valid JSON, or not of a shape that holds events.",
    todo: "Compare the request with the curl example on the Live page.",
  },
  missing_token: {
    happened: "The request named no project token.",
    todo: "Send the project's token as “api_key” (or “token”).",
  },
  several_tokens: {
    happened: "The request carried events of several projects.",
    todo: "Send one request per project token.",
  },
  invalid_token: {
    happened: "The token cannot be one: empty, too long, or a personal phx_ key.",
    todo: "Use the project's phc_ token from Settings.",
  },
  payload_too_large: {
    happened: "The request was larger than the limit.",
    todo: "Send smaller batches, or smaller events.",
  },
  message_size_too_large: {
    happened: "One event was larger than the limit.",
    todo: "Send fewer or smaller properties.",
  },
};

const kStatuses: Record<number, ReasonWords> = {
  400: {
    happened: "The request could not be understood.",
    todo: "Compare the request with the curl example on the Live page.",
  },
  401: {
    happened: "The project token was missing, malformed or not the same for all events.",
    todo: "Use the project's phc_ token from Settings, one per request.",
  },
  408: {
    happened: "The body did not arrive in time.",
    todo: "The SDK sends it again by itself. If it repeats, look at the network in between.",
  },
  413: {
    happened: "The request or one of its events was too large.",
    todo: "Send smaller batches, or smaller events.",
  },
  429: {
    happened: "The project was over its rate limit.",
    todo: "The SDK sends it again later by itself.",
  },
  503: {
    happened: "Penstock could not make the event durable at that moment.",
    todo: "SDKs send it again by themselves. If it repeats, look at Health: the disk may be full.",
  },
};

export function reason_words(reason: string): ReasonWords | undefined {
  return kReasons[reason];
}

function because(entry: TraceEntry): ReasonWords {
  const known = kReasons[entry.reason];
  if (known) return known;
  if (entry.reason) {
    return { happened: `The reason given: ${words(entry.reason)}.`, todo: "" };
  }
  return { happened: "", todo: "" };
}

function refused(entry: TraceEntry): Explanation {
  const by_status = kStatuses[entry.status];
  const reason = kReasons[entry.reason];
  const given = entry.reason && !reason ? ` The reason given: ${words(entry.reason)}.` : "";
  return {
    title: "Refused",
    tone: "bad",
    happened: `Penstock answered ${entry.status || "with an error"} and took nothing in: your sender was told. ${
      reason?.happened ?? by_status?.happened ?? ""
    }${given}`.trim(),
    todo: reason?.todo ?? by_status?.todo ?? "Read the answer your sender got; it says what is wrong.",
  };
}

const kExplain: Record<TraceState, (entry: TraceEntry) => Explanation> = {
  refused,
  in_flight: () => ({
    title: "Received, waiting for its turn",
    tone: "waiting",
    happened: "The event is durable in the log: it cannot be lost. It has not been processed yet.",
    todo: "Wait a moment; this page follows it. If it stays here, look at the lag under Health.",
  }),
  accepted: () => ({
    title: "Accepted, on its way to the store",
    tone: "waiting",
    happened: "The event was processed and its row is being written. It is not in SQL yet.",
    todo: "Wait a moment; this page follows it. If it stays here, look at the engine under Health.",
  }),
  stored: (e) => ({
    title: "Stored",
    tone: "good",
    happened:
      e.duplicates > 0
        ? `The event is a row in SQL. ${plural(e.duplicates, "later copy", "later copies")} of it arrived and did not become ${e.duplicates === 1 ? "a second row" : "further rows"}.`
        : "The event is a row in SQL.",
    todo: "Nothing to do: it is where it should be.",
  }),
  dropped: (e) => ({
    title: "Dropped by a rule",
    tone: "warning",
    happened: `The event arrived safely and was then turned away. ${because(e).happened}`.trim(),
    todo: because(e).todo || "If you want such events, change the rule or the sender.",
  }),
  duplicate: () => ({
    title: "A copy of an event we already had",
    tone: "neutral",
    happened:
      "The same uuid with the same event, day and distinct_id was accepted before, so this copy did not become a second row. SDKs send such copies when an answer got lost.",
    todo: "Nothing to do. If you see many, look at the sender's network.",
  }),
  quarantined: (e) => ({
    title: "In quarantine",
    tone: "bad",
    happened:
      `The event could not be processed${e.stage ? ` (stage “${words(e.stage)}”)` : ""}. It is kept with its original bytes. ${because(e).happened}`.trim(),
    todo: because(e).todo || "Repair the cause, then re-drive it.",
  }),
  redriven: () => ({
    title: "Left quarantine",
    tone: "neutral",
    happened: "The event was in quarantine, its cause was repaired, and it was received again.",
    todo: "See the newer entry for what became of it.",
  }),
};

export function explain(entry: TraceEntry): Explanation {
  return (kExplain[entry.state] ?? kExplain.in_flight)(entry);
}

export const kNotFound: Explanation = {
  title: "Never seen here",
  tone: "neutral",
  happened:
    "No event with this uuid was received for this project, nor refused, as far back as the index reaches.",
  todo: "Check that the sender uses this host and this project's token, and that it flushes before it exits. An ad blocker or a proxy in between may also have swallowed it.",
};

export type StepState = "done" | "now" | "failed" | "ahead";

export interface TimelineStep {
  title: string;
  state: StepState;
  at: string | null;
  detail: string;
  /** Where in the log, as topic, partition and offset. */
  place?: string;
  link?: { to: string; text: string };
}

const kDecisions: Partial<Record<TraceState, string>> = {
  accepted: "Accepted",
  stored: "Accepted",
  dropped: "Dropped",
  duplicate: "Recognised as a copy",
  quarantined: "Put into quarantine",
  redriven: "Put into quarantine",
};

function at_of(entry: TraceEntry, name: string): string | null {
  return entry.steps.find((s) => s.name === name)?.at ?? null;
}

function place(entry: TraceEntry): string {
  return `${entry.lane} lane, partition ${entry.partition}, position ${entry.offset}`;
}

const kWhy: Record<string, string> = {
  existing: "its distinct id was this person's",
  created: "nobody had its distinct id, so it made this person",
  merged: "it brought two ids together in this person",
  personless: "no profile was asked for, so this is nobody's yet",
  personless_existing: "no profile was asked for; its distinct id belongs to this person",
};

const kVerdicts: Record<string, { title: string; state: StepState }> = {
  accepted: { title: "Accepted", state: "done" },
  dropped: { title: "Dropped", state: "failed" },
  quarantined: { title: "Put into quarantine", state: "failed" },
};

function log_place(hop: Hop): string {
  const gone = hop.in_log === false ? ", deleted from the log since" : "";
  return hop.topic ? `${hop.topic}, partition ${hop.partition}, offset ${whole(hop.offset)}${gone}` : "";
}

/** One station of its way in words. */
function step_of(hop: Hop, entry: TraceEntry): TimelineStep {
  const base = { at: hop.at ?? null, place: log_place(hop), state: "done" as StepState };
  switch (hop.name) {
    case "refused":
      return {
        ...base,
        title: "Refused at the door",
        state: "failed",
        detail: [`Answered ${hop.status}`, words(hop.reason ?? "")].filter(Boolean).join(": "),
      };
    case "received": {
      const said = [hop.redriven ? "from quarantine" : "", hop.client_request_id ? `the client's request ${hop.client_request_id}` : ""];
      const link = hop.request_id ? { to: `/trace/${hop.request_id}`, text: "All of its request" } : undefined;
      return { ...base, title: "Received and made durable", detail: said.filter(Boolean).join(", "), link };
    }
    case "apps": {
      const steps = hop.apps ?? [];
      const failed = steps.some((step) => step.status === "failed");
      return { ...base, title: "Went through apps", state: failed ? "failed" : "done", detail: steps.map(app_words).join("; ") };
    }
    case "decided": {
      const verdict = kVerdicts[hop.verdict ?? ""] ?? { title: words(hop.verdict ?? "Decided"), state: "done" as StepState };
      const why = [words(hop.reason ?? ""), hop.stage && hop.verdict === "quarantined" ? `at step “${words(hop.stage)}”` : ""];
      return { ...base, ...verdict, detail: why.filter(Boolean).join(" ") };
    }
    case "person":
      return {
        ...base,
        title: "Given to a person",
        detail: `${kWhy[hop.why ?? ""] ?? words(hop.why ?? "")}${hop.person_now ? `. Since then the id has moved to ${hop.person_now}, where queries find it` : ""}`,
        link: { to: `/persons/${hop.person_now ?? hop.person_id}`, text: hop.person_now ?? hop.person_id ?? "" },
      };
    case "duplicate":
      return { ...base, title: "A copy arrived", detail: "Recognised, no further row" };
    case "redriven":
      return { ...base, title: "Left quarantine and was received again", detail: hop.by ? `by ${hop.by}` : "" };
    case "discarded":
      return { ...base, title: "Discarded", state: "failed", detail: hop.by ? `by ${hop.by}` : "" };
    case "waiting":
      return {
        ...base,
        title: hop.stage === "store" ? "Being written to the store" : "Waiting to be processed",
        state: "now",
        detail: hop.ahead ? `${plural(hop.ahead, "record")} before it` : "It is next",
      };
    case "quarantine":
      return {
        ...base,
        title: "Waits in quarantine",
        state: "now",
        detail: "",
        link: hop.quarantine_id ? { to: `/quarantine?event=${hop.quarantine_id}`, text: "Open it there" } : undefined,
      };
    case "stored":
      return { ...base, title: "Stored", detail: entry.event === "$$heatmap" ? "Points of heatmaps" : "One row in events" };
  }
}

/** received → decided → stored, with where the event is now. */
export function timeline(entry: TraceEntry): TimelineStep[] {
  if (entry.hops && entry.hops.length > 0) {
    const steps = entry.hops.map((hop) => step_of(hop, entry));
    const told = entry.hops.filter((hop) => hop.name === "duplicate").length;
    if (entry.duplicates > told) {
      const detail = "Recognised, no further rows";
      const title = plural(entry.duplicates - told, "further copy", "further copies");
      steps.push({ title, state: "done", at: entry.last_duplicate_at, detail });
    }
    return steps;
  }
  if (entry.state === "refused") {
    const status = entry.status ? `Answered ${entry.status}` : "Answered with an error";
    const at = at_of(entry, "refused") ?? entry.received_at;
    return [
      {
        title: "Refused at the door",
        state: "failed",
        at,
        detail: entry.reason ? `${status}: ${words(entry.reason)}` : status,
      },
    ];
  }
  const steps: TimelineStep[] = [
    {
      title: "Received and made durable",
      state: "done",
      at: at_of(entry, "received") ?? entry.received_at,
      detail: place(entry),
    },
  ];
  if (entry.state === "in_flight") {
    steps.push({ title: "Waiting to be processed", state: "now", at: null, detail: "" });
    steps.push({ title: "Stored", state: "ahead", at: null, detail: "" });
    return steps;
  }
  const turned_away = entry.state === "dropped" || entry.state === "quarantined";
  steps.push({
    title: kDecisions[entry.state] ?? "Decided",
    state: turned_away ? "failed" : "done",
    at: at_of(entry, "decided"),
    detail: words(entry.reason),
  });
  if (entry.state === "accepted") {
    steps.push({ title: "Being written to the store", state: "now", at: null, detail: "" });
  } else if (entry.state === "stored") {
    steps.push({
      title: "Stored",
      state: "done",
      at: at_of(entry, "stored"),
      detail: "One row in events",
    });
  } else if (entry.state === "redriven") {
    steps.push({ title: "Received again", state: "done", at: at_of(entry, "redriven"), detail: "" });
  }
  if (entry.duplicates > 0) {
    steps.push({
      title: plural(entry.duplicates, "copy arrived later", "copies arrived later"),
      state: "done",
      at: entry.last_duplicate_at,
      detail: "Recognised, no further rows",
    });
  }
  return steps;
}
