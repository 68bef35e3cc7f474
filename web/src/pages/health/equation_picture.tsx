// The promise as a picture: what was received, as one stream of water that divides into where every
// event went. Widths follow the counts; small streams keep a width that can be seen.
import type { LedgerCounts } from "../../api/types";
import { plural, whole, words } from "../../lib/format";
import {
  again_text,
  bar_widths,
  equation,
  visible_parts,
  type Equation,
  type Part,
  type PartKey,
} from "../../lib/ledger_equation";
import styles from "./health.module.css";

const kColours: Record<PartKey, string> = {
  stored: "var(--p-accepted)",
  in_flight: "var(--p-flight)",
  deduplicated: "var(--p-duplicate)",
  dropped: "var(--p-dropped)",
  quarantined: "var(--p-quarantined)",
};

// The drawing's own units; it is stretched to the room it gets.
const kWide = 300;
const kRow = 46;
const kPipe = 92;

/** The streams: from one thick pipe on the left to a row each on the right. */
function Streams({ parts }: { parts: Part[] }) {
  const tall = parts.length * kRow;
  const shares = bar_widths(parts.map((p) => p.value), 3);
  let above = (tall - kPipe) / 2;
  return (
    <svg
      className={styles.streams}
      viewBox={`0 0 ${kWide} ${tall}`}
      preserveAspectRatio="none"
      style={{ height: tall }}
      aria-hidden
    >
      {parts.map((part, i) => {
        const thick = ((shares[i] ?? 0) / 100) * kPipe;
        const from = above;
        above += thick;
        if (thick === 0) return null;
        const out = Math.min(thick, kRow - 12);
        const to = i * kRow + (kRow - out) / 2;
        const bend = kWide * 0.52;
        return (
          <path
            key={part.key}
            d={`M0 ${from} C${bend} ${from} ${bend} ${to} ${kWide} ${to} V${to + out}
                C${bend} ${to + out} ${bend} ${from + thick} 0 ${from + thick} Z`}
            fill={kColours[part.key]}
          />
        );
      })}
    </svg>
  );
}

function Destination({ part, counts, sign }: { part: Part; counts: Partial<LedgerCounts>; sign: string }) {
  const reasons =
    part.key === "dropped"
      ? Object.entries(counts.dropped ?? {})
          .sort((a, b) => b[1] - a[1])
          .map(([reason, n]) => `${whole(n)} × ${words(reason)}`)
          .join(", ")
      : "";
  return (
    <li style={{ height: kRow }} data-zero={part.value === 0} title={part.help}>
      <i style={{ background: kColours[part.key] }} aria-hidden />
      <span className={styles.sign} aria-hidden>
        {sign}
      </span>
      <b className="num" data-testid={`part-${part.key}`}>
        {whole(part.value)}
      </b>
      <span>
        {part.label}
        <small className="clip">{reasons || part.help}</small>
      </span>
    </li>
  );
}

/** The same on a narrow screen, where a stream has no room to divide: one bar in parts. */
function Stack({ parts }: { parts: Part[] }) {
  const shares = bar_widths(parts.map((p) => p.value), 2.5);
  return (
    <div className={styles.stack} aria-hidden>
      {parts.map((p, i) => (
        <i key={p.key} style={{ width: `${shares[i]}%`, background: kColours[p.key] }} />
      ))}
    </div>
  );
}

/** The sum in figures, for those who want to check it. */
function Sum({ e, parts }: { e: Equation; parts: Part[] }) {
  return (
    <p className={`${styles.sum} num`}>
      <b>{whole(e.received)}</b> received ={" "}
      {parts.map((p, i) => (
        <span key={p.key}>
          {i > 0 && " + "}
          <b style={{ color: kColours[p.key] }}>{whole(p.value)}</b> {p.label}
        </span>
      ))}
      {e.again > 0 && <small data-testid="ledger-again"> {again_text(e)}</small>}
    </p>
  );
}

interface PictureProps {
  counts: Partial<LedgerCounts>;
  balanced: boolean;
  detail: string;
}

export function EquationPicture({ counts, balanced, detail }: PictureProps) {
  const e = equation(counts);
  const parts = visible_parts(e);
  // Dropped and quarantined are part of the promise: shown at zero too, while there is room.
  const shown = e.parts;
  const good = balanced && e.difference === 0;
  return (
    <section className={`panel ${styles.equation}`} aria-label="Ledger">
      <div className={styles.verdict} data-good={good} role="status" data-testid="balance">
        <b>{good ? "Balanced" : "Not balanced"}</b>
        <span>
          {good
            ? "Every event that was acknowledged is accounted for."
            : detail || `${plural(Math.abs(e.difference), "event")} unaccounted for.`}
        </span>
      </div>
      <div className={styles.picture}>
        <div className={styles.source}>
          <b className="num" data-testid="part-received">
            {whole(e.received)}
          </b>
          <span>received</span>
        </div>
        <Streams parts={shown} />
        <Stack parts={shown} />
        <ul className={styles.destinations}>
          {shown.map((part, i) => (
            <Destination key={part.key} part={part} counts={counts} sign={i === 0 ? "=" : "+"} />
          ))}
        </ul>
      </div>
      <Sum e={e} parts={parts} />
    </section>
  );
}
