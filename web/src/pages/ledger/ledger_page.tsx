// Ledger: what became of every event, over time; every number leads to its events.
import { SegmentedControl } from "@mantine/core";
import { useMemo, useState } from "react";

import { useLedger, type Cell, type LedgerStep } from "../../api/integrity";
import { useStatus } from "../../api/queries";
import type { LedgerRow } from "../../api/types";
import { useProject } from "../../app/project";
import { ErrorNote } from "../../components/error_note";
import { FullLoader } from "../../components/full_loader";
import { PageHeader } from "../../components/page_header";
import page from "../../components/page.module.css";
import { day_and_time, plural, whole, words } from "../../lib/format";
import { again_text, equation, visible_parts } from "../../lib/ledger_equation";
import { CellEvents } from "./cell_events";
import { columns_of, StackedBars } from "./stacked_bars";
import styles from "./ledger.module.css";

const kMinute = 60_000;
const kSteps: Record<LedgerStep, { label: string; hours: number; ms: number; columns: number }> = {
  minute: { label: "2 hours", hours: 2, ms: kMinute, columns: 120 },
  hour: { label: "3 days", hours: 72, ms: 60 * kMinute, columns: 72 },
  day: { label: "60 days", hours: 24 * 60, ms: 24 * 60 * kMinute, columns: 60 },
};
const kRowsShown = 200;
const kHeads = ["received", "stored", "in flight", "deduplicated", "quarantined", "re-driven"] as const;
const kWhat: Record<string, keyof LedgerRow> = {
  received: "received",
  stored: "stored",
  "in flight": "in_flight",
  deduplicated: "deduplicated",
  quarantined: "quarantined",
  "re-driven": "redriven",
};

function Number_({ cell, open }: { cell: Cell; open: (cell: Cell) => void }) {
  if (cell.count === 0) return <span className={styles.zero}>0</span>;
  const where = `${cell.label}, ${day_and_time(cell.from, false)}${cell.lane ? `, ${cell.lane}` : ""}`;
  return (
    <button type="button" className={styles.number} aria-label={`${whole(cell.count)} ${where}`} onClick={() => open(cell)}>
      {whole(cell.count)}
    </button>
  );
}

function Row({ row, step_ms, open }: { row: LedgerRow; step_ms: number; open: (cell: Cell) => void }) {
  const to = new Date(Date.parse(row.start) + step_ms).toISOString();
  const base = { from: row.start, to, lane: row.lane };
  const off = equation(row).difference;
  const reasons = Object.entries(row.dropped).filter(([, n]) => n > 0);
  return (
    <tr data-open={off !== 0}>
      <th scope="row">{day_and_time(row.start, false)}</th>
      <td>{row.lane}</td>
      {kHeads.map((head) => {
        const what = kWhat[head] ?? "received";
        return (
          <td key={head} data-number>
            <Number_ cell={{ ...base, what, label: head, count: Number(row[what]) }} open={open} />
          </td>
        );
      })}
      <td className={styles.reasons}>
        {reasons.length === 0 && <span className={styles.zero}>0</span>}
        {reasons.map(([reason, n]) => (
          <span key={reason}>
            <Number_ cell={{ ...base, what: "dropped", reason, label: `dropped: ${words(reason)}`, count: n }} open={open} />{" "}
            {words(reason)}
          </span>
        ))}
      </td>
      <td data-number>{off === 0 ? <span className={styles.even}>yes</span> : `off by ${whole(off)}`}</td>
    </tr>
  );
}

function Verdict({ balanced, detail, checked }: { balanced: boolean; detail: string; checked: string | null }) {
  return (
    <p className={styles.verdict} data-balanced={balanced} data-testid="ledger-verdict">
      <b>{balanced ? "The books balance." : "The books do not balance."}</b>{" "}
      {balanced
        ? checked
          ? `Checked against the log's own offsets, last ${day_and_time(checked)}.`
          : "Checked against the log's own offsets."
        : `${detail} See the runbook ledger_imbalance.`}
    </p>
  );
}

export default function LedgerPage() {
  const { project } = useProject();
  const [step, set_step] = useState<LedgerStep>("minute");
  const [chosen, set_chosen] = useState<string | null>(null);
  const [cell, set_cell] = useState<Cell | null>(null);
  const { hours, ms, columns: columns_max } = kSteps[step];
  const [nobodys, set_nobodys] = useState(false);
  const shown_id = nobodys ? 0 : project.id;
  const ledger = useLedger(shown_id, step, hours);
  // Of keys that no project had; whoever may see one project only is not told.
  const strangers = useLedger(0, step, hours).data?.total.received ?? 0;
  const status = useStatus(10_000);
  const rows = ledger.data?.rows ?? [];
  const columns = useMemo(() => columns_of(rows, ms, columns_max, Date.now()), [rows, ms, columns_max]);
  const shown = chosen ? rows.filter((r) => Date.parse(r.start) === Date.parse(chosen)) : rows;
  const check = status.data?.ledger.check;
  const balance = ledger.data?.balance;
  const total = ledger.data ? equation(ledger.data.total) : null;
  return (
    <div className={page.page}>
      <PageHeader
        title={nobodys ? "Ledger of no project" : "Ledger"}
        hint={
          nobodys
            ? "Events whose key no project had when they came. They count here whatever became of them."
            : "What became of every event. Every number opens its events."
        }
      >
        <SegmentedControl
          aria-label="Time"
          value={step}
          onChange={(value) => {
            set_step(value as LedgerStep);
            set_chosen(null);
          }}
          data={Object.entries(kSteps).map(([value, { label }]) => ({ value, label }))}
        />
      </PageHeader>
      {(nobodys || strangers > 0) && (
        <p className={styles.strangers} data-testid="ledger-strangers">
          {nobodys ? null : `${plural(strangers, "event")} came under keys that no project had. `}
          <button
            type="button"
            onClick={() => {
              set_nobodys(!nobodys);
              set_chosen(null);
            }}
          >
            {nobodys ? `Back to ${project.name}` : "Show them"}
          </button>
        </p>
      )}
      {ledger.error && <ErrorNote error={ledger.error} retry={() => void ledger.refetch()} />}
      {ledger.isPending && <FullLoader />}
      {balance && (
        <Verdict
          balanced={balance.balanced && (check?.balanced ?? true)}
          detail={balance.detail || check?.detail || ""}
          checked={check?.at ?? null}
        />
      )}
      {total && (
        <section className={`panel ${styles.chart}`} aria-label="Over time">
          <p className={styles.sum} data-testid="ledger-sum">
            <b className="num">{whole(total.received)}</b> received
            {visible_parts(total).map((p, i) => (
              <span key={p.key} title={p.help}>
                {i === 0 ? " = " : " + "}
                <i data-part={p.key} aria-hidden />
                <b className="num">{whole(p.value)}</b> {p.label}
              </span>
            ))}
            {total.again > 0 && <small data-testid="ledger-again"> {again_text(total)}</small>}
          </p>
          {columns.length > 0 ? (
            <StackedBars columns={columns} chosen={chosen} choose={set_chosen} by_day={step !== "minute"} />
          ) : (
            <p className={styles.none}>Nothing was received in this time.</p>
          )}
        </section>
      )}
      {rows.length > 0 && (
        <section className={`panel ${styles.table}`} aria-label="Ledger rows">
          {chosen && (
            <p className={styles.chosen}>
              {day_and_time(chosen, false)}
              <button type="button" onClick={() => set_chosen(null)}>
                Show all
              </button>
            </p>
          )}
          <div className={styles.scroll} tabIndex={0} role="region" aria-label="Ledger table">
            <table>
              <thead>
                <tr>
                  <th scope="col">{step}</th>
                  <th scope="col">lane</th>
                  {kHeads.map((head) => (
                    <th key={head} scope="col" data-number>
                      {head}
                    </th>
                  ))}
                  <th scope="col">dropped</th>
                  <th scope="col" data-number>
                    balances
                  </th>
                </tr>
              </thead>
              <tbody>
                {shown.slice(0, kRowsShown).map((row) => (
                  <Row key={`${row.start}-${row.lane}`} row={row} step_ms={ms} open={set_cell} />
                ))}
              </tbody>
            </table>
          </div>
          {shown.length > kRowsShown && (
            <p className={styles.none}>{plural(shown.length - kRowsShown, "older row")} not shown; choose a column above.</p>
          )}
        </section>
      )}
      <CellEvents project={shown_id} cell={cell} on_close={() => set_cell(null)} />
    </div>
  );
}
