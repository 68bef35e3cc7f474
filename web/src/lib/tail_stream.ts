// TailStream: one live view's connection, which goes on where it was after any interruption.
//
// Every message carries the position of the next one as its id. When the connection fails, or goes
// silent, it is opened again from the last position seen, with growing pauses. The browser's own
// reconnection is not used: it gives up for good on any HTTP error.

export type TailState = "connecting" | "live" | "reconnecting";

/** What is used of EventSource; tests bring their own. */
export interface Source {
  addEventListener(type: string, listener: (event: MessageEvent<string>) => void): void;
  close(): void;
  onopen: ((event: Event) => void) | null;
  onerror: ((event: Event) => void) | null;
}

export interface TailStreamOptions {
  /** The address to open; `cursor` is null at first. */
  url: (cursor: string | null) => string;
  on_event: (text: string) => void;
  on_behind: (records: number) => void;
  on_state: (state: TailState, failures: number) => void;
  on_gap: () => void;
  open?: (url: string) => Source;
  set_timer?: (run: () => void, ms: number) => number;
  clear_timer?: (timer: number) => void;
}

const kRetryMsFirst = 400;
const kRetryMsMax = 8_000;
// The server reports progress every second; this long without a word is a dead connection.
const kSilenceMsMax = 15_000;

export class TailStream {
  private source: Source | null = null;
  private cursor: string | null = null;
  private failures = 0;
  private live = false;
  private retry: number | undefined;
  private silence: number | undefined;
  private stopped = false;

  constructor(private readonly options: TailStreamOptions) {}

  start(): void {
    this.options.on_state("connecting", 0);
    this.connect();
  }

  /** Reads no further; what is not read waits in the server's log. */
  suspend(): void {
    this.drop();
    this.clear(this.retry);
  }

  /** Goes on behind the last event that was read. */
  go_on(): void {
    if (this.stopped || this.source !== null) return;
    this.clear(this.retry);
    this.connect();
  }

  stop(): void {
    this.stopped = true;
    this.drop();
    this.clear(this.retry);
  }

  private connect(): void {
    const open = this.options.open ?? ((url: string): Source => new EventSource(url));
    const source = open(this.options.url(this.cursor));
    this.source = source;
    const when_current =
      (act: (event: MessageEvent<string>) => void) =>
      (event: MessageEvent<string>): void => {
        if (this.source !== source) return;
        if (event.lastEventId) this.cursor = event.lastEventId;
        this.heard();
        act(event);
      };
    source.onopen = () => {
      if (this.source === source) this.heard();
    };
    source.onerror = () => {
      if (this.source === source) this.failed();
    };
    source.addEventListener("outcome", when_current((e) => this.options.on_event(e.data)));
    source.addEventListener("gap", when_current(() => this.options.on_gap()));
    source.addEventListener(
      "progress",
      when_current((e) => {
        const { behind } = JSON.parse(e.data) as { behind?: number };
        this.options.on_behind(behind ?? 0);
      }),
    );
    this.watch();
  }

  private heard(): void {
    if (!this.live) {
      this.live = true;
      this.failures = 0;
      this.options.on_state("live", 0);
    }
    this.watch();
  }

  private watch(): void {
    this.clear(this.silence);
    this.silence = this.timer(() => this.failed(), kSilenceMsMax);
  }

  private failed(): void {
    if (this.stopped) return;
    this.drop();
    this.live = false;
    this.failures++;
    this.options.on_state("reconnecting", this.failures);
    const pause = Math.min(kRetryMsFirst * 2 ** (this.failures - 1), kRetryMsMax);
    this.retry = this.timer(() => this.connect(), pause);
  }

  private drop(): void {
    this.clear(this.silence);
    this.silence = undefined;
    this.source?.close();
    this.source = null;
  }

  private timer(run: () => void, ms: number): number {
    return (this.options.set_timer ?? window.setTimeout.bind(window))(run, ms);
  }

  private clear(timer: number | undefined): void {
    if (timer === undefined) return;
    (this.options.clear_timer ?? window.clearTimeout.bind(window))(timer);
  }
}
