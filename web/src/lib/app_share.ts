// Of the project's events that came to an app's turn: how many it saw, changed and dropped.
import type { AppStatus } from "../api/apps";

export interface AppShare {
  seen: number;
  changed: number;
  dropped: number;
}

/** Parts of one; null while no event has come to its turn. */
export function share_of(status: Pick<AppStatus, "offered" | "events" | "changed" | "dropped">): AppShare | null {
  if (status.offered === 0) return null;
  const part = (count: number): number => Math.min(count / status.offered, 1);
  return { seen: part(status.events), changed: part(status.changed), dropped: part(status.dropped) };
}

/** "0", "< 1 %", "42 %": what is not nothing never reads as nothing, and what is not all never as all. */
export function share_words(share: number): string {
  if (share <= 0) return "0 %";
  if (share < 0.01) return "< 1 %";
  return share > 0.99 && share < 1 ? "> 99 %" : `${Math.round(share * 100)} %`;
}
