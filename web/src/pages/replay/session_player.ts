// Plays one session: rrweb's replayer draws one window at a time, this follows the session's clock
// across its windows, skips what nobody did anything in, and tells where it is.
//
// A recording is drawn in rrweb's iframe with `sandbox="allow-same-origin"` and nothing else: no
// script of a recorded page runs, no form is sent, nothing navigates. UNSAFE_replayCanvas, the option that
// would let scripts in, stays off.
import "rrweb/dist/style.css";

import { Replayer } from "rrweb";

import { kLeftOutStyle } from "../../lib/replay/clean";
import type { Recording } from "../../lib/replay/read";
import { kFull } from "../../lib/replay/rrweb";
import type { Span } from "../../lib/replay/session";

type ReplayerEvents = ConstructorParameters<typeof Replayer>[0];

const kTellMs = 100;
/** A skipped pause shrinks by this measure: the further its end, the faster, and never past it. The
    last bit is shown as it was. */
const kSkipMs = 300;
const kLeadMs = 800;

export interface PlayerState {
  at: number;
  playing: boolean;
  skipping: boolean;
  ended: boolean;
  window: string;
  width: number;
  height: number;
  failed: string;
}

export class SessionPlayer {
  state: PlayerState;
  readonly #idle: Span[];
  #replayer: Replayer | null = null;
  #first = 0;
  /** Just after the window's first picture: before it rrweb would leave what was drawn last. */
  #picture = 0;
  #speed = 1;
  #speed_now = 1;
  #skip = true;
  #frame = 0;
  #told = 0;

  constructor(
    readonly root: HTMLElement,
    readonly recording: Recording,
    readonly on_change: (state: PlayerState) => void,
  ) {
    const { start } = recording.session;
    this.#idle = recording.session.idle();
    this.state = {
      at: start, playing: false, skipping: false, ended: false, window: "", width: 0, height: 0, failed: "",
    };
  }

  play(): void {
    if (this.state.playing) return;
    this.#go(this.state.ended ? this.recording.session.start : this.state.at, true);
  }

  pause(): void {
    if (!this.state.playing) return;
    this.#replayer?.pause();
    this.#tell({ playing: false, skipping: false });
  }

  seek(at: number): void {
    const { start, end } = this.recording.session;
    this.#go(Math.min(Math.max(at, start), end), this.state.playing);
  }

  set_speed(speed: number): void {
    this.#speed = speed;
    this.#apply_speed();
  }

  set_skip(skip: boolean): void {
    this.#skip = skip;
    this.#apply_speed();
  }

  destroy(): void {
    cancelAnimationFrame(this.#frame);
    this.#drop();
  }

  #drop(): void {
    const old = this.#replayer;
    this.#replayer = null;
    try {
      old?.destroy();
    } catch {
      // It failed while it was being made; its element goes with the root.
    }
    this.root.replaceChildren();
  }

  /** Makes `window` the one that is drawn. */
  #show(window: string): boolean {
    if (this.#replayer && this.state.window === window) return true;
    this.#drop();
    const events = this.recording.windows.get(window) ?? [];
    if (events.length < 2) {
      this.#tell({ failed: "This window of the recording has no picture.", playing: false });
      return false;
    }
    const replayer = new Replayer(events as unknown as ReplayerEvents, {
      root: this.root,
      speed: this.#speed,
      skipInactive: false,
      showWarning: false,
      triggerFocus: false,
      UNSAFE_replayCanvas: false,
      mouseTail: { duration: 500, lineCap: "round", lineWidth: 3, strokeStyle: "#0e8494" },
      insertStyleRules: [kLeftOutStyle],
    });
    this.#replayer = replayer;
    this.#first = events[0]?.timestamp ?? 0;
    this.#picture = (events.find((e) => e.type === kFull)?.timestamp ?? this.#first) - this.#first + 1;
    this.#speed_now = this.#speed;
    replayer.on("resize", (size) => {
      const { width, height } = size as { width: number; height: number };
      if (this.#replayer === replayer) this.#tell({ width, height });
    });
    replayer.on("finish", () => {
      if (this.#replayer === replayer) this.#window_ended();
    });
    this.#tell({ window });
    return true;
  }

  #go(at: number, playing: boolean): void {
    const found = this.recording.session.segment_at(at);
    if (!found) return this.#tell({ failed: "This recording has no picture.", playing: false });
    try {
      if (!this.#show(found.segment.window)) return;
      const replayer = this.#replayer;
      if (!replayer) return;
      const { totalTime } = replayer.getMetaData();
      const offset = Math.min(Math.max(at - this.#first, this.#picture), totalTime);
      if (playing) replayer.play(offset);
      else replayer.pause(offset);
    } catch (error) {
      const words = error instanceof Error ? error.message : String(error);
      return this.#tell({ failed: `This moment cannot be drawn: ${words}`, playing: false });
    }
    this.#tell({ at, playing, ended: false, failed: "", skipping: false });
    this.#apply_speed();
    cancelAnimationFrame(this.#frame);
    if (playing) this.#frame = requestAnimationFrame(this.#tick);
  }

  #tick = (): void => {
    if (!this.state.playing || !this.#replayer) return;
    const at = this.#first + this.#replayer.getCurrentTime();
    const found = this.recording.session.segment_at(at);
    if (found && found.segment.window !== this.state.window) {
      return this.#go(found.segment.from, true);
    }
    this.state.at = Math.min(at, this.recording.session.end);
    this.#apply_speed();
    if (performance.now() - this.#told > kTellMs) this.#tell({});
    this.#frame = requestAnimationFrame(this.#tick);
  };

  /** Of this window nothing more comes: the next one, or the end. */
  #window_ended(): void {
    if (!this.state.playing) return;
    const { session } = this.recording;
    const next = session.segments.find((s) => s.from > this.state.at && s.window !== this.state.window);
    if (next) return this.#go(next.from, true);
    cancelAnimationFrame(this.#frame);
    this.#tell({ at: session.end, playing: false, ended: true, skipping: false });
  }

  /** The chosen speed, or as fast as a pause wants. */
  #apply_speed(): void {
    const { at, playing } = this.state;
    const pause = this.#skip && playing
      ? this.#idle.find((s) => at >= s.from && at < s.to - kLeadMs * this.#speed)
      : undefined;
    const speed = pause ? Math.max(this.#speed, (pause.to - at) / kSkipMs) : this.#speed;
    if (speed !== this.#speed_now) this.#replayer?.setConfig({ speed });
    this.#speed_now = speed;
    const skipping = pause !== undefined;
    if (skipping !== this.state.skipping) this.#tell({ skipping });
  }

  #tell(part: Partial<PlayerState>): void {
    this.state = { ...this.state, ...part };
    this.#told = performance.now();
    this.on_change(this.state);
  }
}
