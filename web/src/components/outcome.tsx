// What became of an event, as a word with its colour; the same everywhere.
import type { OutcomeName, TraceState } from "../api/types";
import styles from "./outcome.module.css";

const kColours: Record<OutcomeName | TraceState, string> = {
  accepted: "accepted",
  stored: "accepted",
  dropped: "dropped",
  duplicate: "duplicate",
  redriven: "duplicate",
  quarantined: "quarantined",
  refused: "quarantined",
  in_flight: "flight",
};

export function outcome_colour(outcome: OutcomeName | TraceState): string {
  return `var(--p-${kColours[outcome] ?? "muted"})`;
}

export function Outcome({ outcome }: { outcome: OutcomeName | TraceState }) {
  return (
    <span className={styles.outcome} style={{ color: outcome_colour(outcome) }}>
      <i aria-hidden />
      {outcome.replace("_", " ")}
    </span>
  );
}
