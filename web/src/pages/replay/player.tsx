// The stage with the recorded page, and the controls below it.
import { ActionIcon, SegmentedControl, Switch, Tooltip } from "@mantine/core";
import { useElementSize } from "@mantine/hooks";
import { IconPlayerPauseFilled, IconPlayerPlayFilled, IconReload } from "@tabler/icons-react";
import { useEffect, useMemo, useRef, useState, type CSSProperties, type KeyboardEvent } from "react";

import { plural } from "../../lib/format";
import type { Recording } from "../../lib/replay/read";
import { place } from "../../lib/replay/session";
import { load, save } from "../../lib/storage";
import styles from "./player.module.css";
import { SessionPlayer, type PlayerState } from "./session_player";
import { Timeline } from "./timeline";

const kSpeeds = [1, 2, 4, 8];

/** Whatever has the keyboard already knows what a space means. */
function takes_space(target: EventTarget): boolean {
  return target instanceof HTMLElement && target.closest("button, a, input:not([type=range]), textarea, select, label") !== null;
}

export function Player({
  recording,
  begin_at,
  on_state,
  seek_ref,
}: {
  recording: Recording;
  begin_at: number;
  on_state: (state: PlayerState) => void;
  seek_ref: React.RefObject<((at: number) => void) | null>;
}) {
  const { session } = recording;
  const root = useRef<HTMLDivElement>(null);
  const player = useRef<SessionPlayer | null>(null);
  const stage = useElementSize();
  const [state, set_state] = useState<PlayerState | null>(null);
  const [speed, set_speed] = useState(() => Number(load("replay-speed", 1)));
  const [skip, set_skip] = useState(() => load("replay-skip", true));
  const idle = useMemo(() => session.idle(), [session]);
  const told = useRef(on_state);
  told.current = on_state;

  useEffect(() => {
    if (!root.current) return undefined;
    const made = new SessionPlayer(root.current, recording, (next) => {
      set_state(next);
      told.current(next);
    });
    player.current = made;
    seek_ref.current = (at) => made.seek(at);
    made.seek(begin_at);
    return () => {
      player.current = null;
      seek_ref.current = null;
      made.destroy();
    };
  }, [recording, begin_at, seek_ref]);
  useEffect(() => {
    player.current?.set_speed(speed);
    save("replay-speed", speed);
  }, [speed, recording]);
  useEffect(() => {
    player.current?.set_skip(skip);
    save("replay-skip", skip);
  }, [skip, recording]);

  const toggle = (): void => (state?.playing ? player.current?.pause() : player.current?.play());
  const keys = (e: KeyboardEvent): void => {
    if (e.key !== " " || takes_space(e.target)) return;
    e.preventDefault();
    toggle();
  };
  const { width = 0, height = 0 } = state ?? {};
  const scale = width > 0 && height > 0 ? Math.min(stage.width / width, stage.height / height) : 0;
  const windows = session.drawable.size;
  const at = state?.at ?? session.start;
  const PlayIcon = state?.playing ? IconPlayerPauseFilled : state?.ended ? IconReload : IconPlayerPlayFilled;
  const play_words = state?.playing ? "Pause" : state?.ended ? "Play again" : "Play";

  return (
    <section className={`panel ${styles.player}`} aria-label="Player" onKeyDown={keys} data-testid="player"
      data-at={Math.round(at - session.start)} data-playing={state?.playing ?? false}>
      <div
        ref={stage.ref}
        className={styles.stage}
        style={width > 0 && height > 0 ? ({ "--ratio": width / height } as CSSProperties) : undefined}
      >
        <div
          className={styles.screen}
          style={{
            width,
            height,
            transform: `translate(${(stage.width - width * scale) / 2}px, ${(stage.height - height * scale) / 2}px) scale(${scale})`,
          }}
          ref={root}
          aria-label="The recorded page"
          role="img"
        />
        {state?.failed && (
          <p className={styles.failed} role="alert">
            {state.failed}
          </p>
        )}
        {state && !state.playing && !state.failed && (
          <button type="button" className={styles.cover} onClick={toggle} tabIndex={-1} aria-hidden>
            <i>
              <PlayIcon size={30} />
            </i>
          </button>
        )}
        {state?.playing && <button type="button" className={styles.cover} onClick={toggle} tabIndex={-1} aria-hidden />}
        {state?.skipping && <span className={styles.skipping}>Skipping a pause</span>}
        {windows > 1 && state && (
          <span className={styles.window}>
            Window {[...session.drawable].indexOf(state.window) + 1} of {windows}
          </span>
        )}
      </div>
      <Timeline session={session} idle={idle} at={at} seek={(to) => player.current?.seek(to)} />
      <div className={styles.controls}>
        <Tooltip label={`${play_words} (Space)`}>
          <ActionIcon size={38} radius="xl" onClick={toggle} aria-label={play_words}>
            <PlayIcon size={18} />
          </ActionIcon>
        </Tooltip>
        <span className={`${styles.time} num`} data-testid="player-time">
          <b>{place(at - session.start)}</b> / {place(session.duration)}
        </span>
        <SegmentedControl
          size="xs"
          aria-label="Speed"
          value={String(speed)}
          onChange={(value) => set_speed(Number(value))}
          data={kSpeeds.map((n) => ({ value: String(n), label: `${n}×` }))}
        />
        <Switch
          size="sm"
          label="Skip pauses"
          checked={skip}
          onChange={(e) => set_skip(e.currentTarget.checked)}
        />
        <p className={styles.legend}>
          <span>
            <i data-kind="page" aria-hidden /> Page
          </span>
          <span>
            <i data-kind="click" aria-hidden /> Click
          </span>
          <span>
            <i data-kind="error" aria-hidden /> Error
          </span>
          {idle.length > 0 && (
            <span title={plural(idle.length, "pause")}>
              <i data-kind="idle" aria-hidden /> Pause
            </span>
          )}
        </p>
      </div>
    </section>
  );
}
