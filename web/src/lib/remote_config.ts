// The project's remote config behind the switches of Settings; members without a switch are kept.

export type RemoteConfig = Record<string, unknown>;

export interface SwitchSpec {
  id: string;
  label: string;
  hint: string;
  read: (config: RemoteConfig) => boolean;
  write: (config: RemoteConfig, on: boolean) => RemoteConfig;
}

/** A copy with the member set, or without it when the value is what the server does anyway. */
function put(config: RemoteConfig, key: string, value: unknown, otherwise: unknown): RemoteConfig {
  const copy = { ...config };
  if (value === otherwise) delete copy[key];
  else copy[key] = value;
  return copy;
}

function object(value: unknown): RemoteConfig {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as RemoteConfig) : {};
}

function inner(config: RemoteConfig, key: string, name: string, on: boolean): RemoteConfig {
  const value = put(object(config[key]), name, on, false);
  return put(config, key, Object.keys(value).length ? value : undefined, undefined);
}

const plain = (id: string, label: string, hint: string): SwitchSpec => ({
  id,
  label,
  hint,
  read: (c) => c[id] === true,
  write: (c, on) => put(c, id, on, false),
});

export const kSwitches: SwitchSpec[] = [
  {
    id: "autocapture",
    label: "Autocapture",
    hint: "Clicks, changes and submits are events by themselves.",
    read: (c) => c["autocapture_opt_out"] !== true,
    write: (c, on) => put(c, "autocapture_opt_out", !on, false),
  },
  plain("heatmaps", "Heatmaps", "Where people click, move and scroll."),
  plain("captureDeadClicks", "Dead clicks", "Clicks that nothing answers."),
  {
    id: "exceptions",
    label: "Exceptions",
    hint: "Errors that nobody catches.",
    read: (c) => c["autocaptureExceptions"] === true || object(c["errorTracking"])["autocaptureExceptions"] === true,
    write: (c, on) => inner(put(c, "autocaptureExceptions", on, false), "errorTracking", "autocaptureExceptions", on),
  },
  {
    id: "web_vitals",
    label: "Web vitals",
    hint: "How fast pages appear and answer.",
    read: (c) => object(c["capturePerformance"])["web_vitals"] === true,
    write: (c, on) => inner(c, "capturePerformance", "web_vitals", on),
  },
];

export interface Recording {
  on: boolean;
  sample: number; // percent
  console_log: boolean;
  min_seconds: number;
}

export function recording_of(config: RemoteConfig): Recording {
  const value = config["sessionRecording"];
  const members = object(value);
  const rate = members["sampleRate"];
  const least = members["minimumDurationMilliseconds"];
  return {
    on: value === true || (typeof value === "object" && value !== null),
    sample: typeof rate === "string" ? Math.round(Number(rate) * 10_000) / 100 : 100,
    console_log: members["consoleLogRecordingEnabled"] === true,
    min_seconds: typeof least === "number" ? least / 1000 : 0,
  };
}

export function with_recording(config: RemoteConfig, next: Recording): RemoteConfig {
  if (!next.on) return put(config, "sessionRecording", undefined, undefined);
  let members = object(config["sessionRecording"]);
  members = put(members, "sampleRate", next.sample < 100 ? String(next.sample / 100) : undefined, undefined);
  members = put(members, "consoleLogRecordingEnabled", next.console_log, false);
  const least = next.min_seconds > 0 ? Math.round(next.min_seconds * 1000) : undefined;
  members = put(members, "minimumDurationMilliseconds", least, undefined);
  return { ...config, sessionRecording: Object.keys(members).length ? members : true };
}
