import { describe, expect, it } from "vitest";

import { kSwitches, recording_of, with_recording, type RemoteConfig } from "./remote_config";

const find = (id: string) => kSwitches.find((s) => s.id === id)!;

describe("switches", () => {
  it("write what is different from the server's defaults, and take it back", () => {
    for (const spec of kSwitches) {
      const before: RemoteConfig = { analytics: { endpoint: "/e/" } };
      const other = spec.write(before, !spec.read(before));
      expect(spec.read(other), spec.id).toBe(!spec.read(before));
      expect(spec.write(other, spec.read(before)), spec.id).toEqual(before);
    }
  });
  it("keep members they do not show", () => {
    const config = { capturePerformance: { network_timing: true } };
    const on = find("web_vitals").write(config, true);
    expect(on).toEqual({ capturePerformance: { network_timing: true, web_vitals: true } });
    expect(find("web_vitals").write(on, false)).toEqual(config);
  });
  it("read autocapture the right way round", () => {
    expect(find("autocapture").read({})).toBe(true);
    expect(find("autocapture").write({}, false)).toEqual({ autocapture_opt_out: true });
  });
});

describe("recording", () => {
  it("is off until it is switched on, with a share as text", () => {
    expect(recording_of({}).on).toBe(false);
    expect(recording_of({ sessionRecording: true })).toEqual({
      on: true, sample: 100, console_log: false, min_seconds: 0,
    });
    const config = with_recording({}, { on: true, sample: 12.5, console_log: true, min_seconds: 2 });
    expect(config).toEqual({
      sessionRecording: { sampleRate: "0.125", consoleLogRecordingEnabled: true, minimumDurationMilliseconds: 2000 },
    });
    expect(recording_of(config)).toEqual({ on: true, sample: 12.5, console_log: true, min_seconds: 2 });
    expect(with_recording(config, { ...recording_of(config), on: false })).toEqual({});
  });
  it("keeps masking and triggers", () => {
    const config = { sessionRecording: { masking: { maskAllInputs: true } } };
    expect(with_recording(config, { on: true, sample: 100, console_log: false, min_seconds: 0 })).toEqual(config);
  });
});
