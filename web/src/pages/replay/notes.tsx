// What a person should know before they believe what they see: parts that are gone, a recording that
// is larger than is held at once, and what was not loaded because it lies with others.
import { Alert, Button } from "@mantine/core";
import { IconCut, IconPhotoOff, IconPuzzleOff, IconWorld } from "@tabler/icons-react";

import { bytes, plural } from "../../lib/format";
import type { LeftOut } from "../../lib/replay/clean";
import type { Recording } from "../../lib/replay/read";
import { place } from "../../lib/replay/session";
import styles from "./player.module.css";

function listed(words: string[]): string {
  return words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`;
}

function sites_of(left_out: LeftOut): string {
  const { sites } = left_out;
  if (sites.length === 0) return "";
  const more = sites.length - 2;
  return ` from ${more > 0 ? `${sites.slice(0, 2).join(", ")} and ${plural(more, "more site")}` : listed(sites)}`;
}

export function Damage({ damage }: { damage: string[] }) {
  if (damage.length === 0) return null;
  return (
    <Alert color="red" variant="light" bg="var(--p-bad-soft)" icon={<IconPuzzleOff size={18} />} role="alert" data-testid="recording-damage">
      {plural(damage.length, "part")} of this recording {damage.length === 1 ? "is" : "are"} missing ({damage[0]}). The
      picture may be wrong from there until the page was recorded anew.
    </Alert>
  );
}

export function Bound({ recording, total_bytes, next }: { recording: Recording; total_bytes: number; next: (from: number) => void }) {
  const { session, ended } = recording;
  if (ended === "all") return null;
  const why = {
    bound: `More than this page holds at once: it has ${bytes(recording.bytes)} of ${bytes(Math.max(total_bytes, recording.bytes))}.`,
    stopped: `You stopped reading at ${bytes(recording.bytes)} of ${bytes(Math.max(total_bytes, recording.bytes))}.`,
    broken: "The connection ended before the recording did.",
  }[ended];
  return (
    <Alert color="yellow" variant="light" bg="var(--p-warning-soft)" icon={<IconCut size={18} />} classNames={{ wrapper: styles.alert }} role="status" data-testid="recording-bound">
      <div className={styles.note}>
        <span>
          {why} What is here is {place(session.duration)} long.
        </span>
        <Button variant="default" size="compact-sm" onClick={() => next(session.end)}>
          Read on from there
        </Button>
      </div>
    </Alert>
  );
}

export function Remote({ left_out, remote, choose }: { left_out: LeftOut; remote: boolean; choose: (remote: boolean) => void }) {
  if (remote) {
    return (
      <Alert color="yellow" variant="light" bg="var(--p-warning-soft)" icon={<IconWorld size={18} />} classNames={{ wrapper: styles.alert }} data-testid="remote-note">
        <div className={styles.note}>
          <span>Pictures, styles, fonts and media come from the sites of the recorded page, which see your browser ask for them.</span>
          <Button variant="default" size="compact-sm" onClick={() => choose(false)}>
            Stop loading them
          </Button>
        </div>
      </Alert>
    );
  }
  if (left_out.total === 0 && !left_out.canvas) return null;
  const kinds = [
    left_out.count("picture") > 0 && plural(left_out.count("picture"), "picture"),
    left_out.count("style") > 0 && plural(left_out.count("style"), "style sheet"),
    left_out.count("font") > 0 && plural(left_out.count("font"), "font"),
  ].filter((words) => words !== false);
  return (
    <Alert color="gray" variant="default" icon={<IconPhotoOff size={18} />} classNames={{ wrapper: styles.alert }} data-testid="remote-note">
      <div className={styles.note}>
        <span>
          {kinds.length > 0 && `Not loaded: ${listed(kinds)}${sites_of(left_out)}. ${left_out.sites.length === 1 ? "That site" : "These sites"} would see your browser ask. `}
          {left_out.canvas && "What the page drew on a canvas is not shown."}
        </span>
        {kinds.length > 0 && (
          <Button variant="default" size="compact-sm" onClick={() => choose(true)}>
            Load them for this recording
          </Button>
        )}
      </div>
    </Alert>
  );
}
