// The one line that says on every page whether all is well: the rate, and do the books balance.
import { Link } from "react-router";

import { useStatus } from "../api/queries";
import { per_second } from "../lib/format";
import { problems } from "../lib/problems";
import styles from "./shell.module.css";

export function Pulse({ compact = false }: { compact?: boolean }) {
  const { data, error } = useStatus(5_000);
  const found = data ? problems(data) : [];
  const bad = found.some((p) => p.level === "bad") || error !== null;
  const tone = !data && !error ? "idle" : bad ? "bad" : found.length > 0 ? "warning" : "good";
  const words = error
    ? "No answer"
    : !data
      ? "…"
      : found.length > 0
        ? (found[0]?.title ?? "")
        : "All accounted for";
  const rate = data?.capture ? per_second(data.capture.events_per_s) : "";
  return (
    <Link to="/health" className={styles.pulse} data-tone={tone} aria-label={`${words} ${rate}`}>
      <i aria-hidden />
      {!compact && <span>{words}</span>}
      <b className="num">{rate}</b>
    </Link>
  );
}
