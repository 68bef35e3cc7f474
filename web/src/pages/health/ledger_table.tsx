// The books by minute or hour and lane, newest first; each row is its own equation.
import { SegmentedControl } from "@mantine/core";
import { useState } from "react";

import { useLedger, type LedgerStep } from "../../api/queries";
import { ErrorNote } from "../../components/error_note";
import { day_and_time, whole } from "../../lib/format";
import { dropped_text, dropped_total, equation } from "../../lib/ledger_equation";
import styles from "./health.module.css";

const kRowsShown = 120;
const kHours: Record<LedgerStep, number> = { minute: 6, hour: 24 * 14 };
const kColumns = ["received", "stored", "in flight", "deduplicated", "dropped", "quarantined"];

export function LedgerTable({ project }: { project: number }) {
  const [step, set_step] = useState<LedgerStep>("minute");
  const ledger = useLedger(project, step, kHours[step]);
  const rows = ledger.data?.rows ?? [];
  return (
    <section className={`panel ${styles.ledger}`} aria-label="Ledger by time">
      <div className={styles.ledger_head}>
        <h2>
          Ledger <small>{step === "minute" ? "last 6 hours" : "last 14 days"}</small>
        </h2>
        <SegmentedControl
          size="xs"
          aria-label="Ledger by"
          value={step}
          onChange={(value) => set_step(value as LedgerStep)}
          data={[
            { value: "minute", label: "Minutes" },
            { value: "hour", label: "Hours" },
          ]}
        />
      </div>
      {ledger.error && <ErrorNote error={ledger.error} m="md" />}
      {rows.length === 0 ? (
        <p className={styles.none}>{ledger.isPending ? "…" : "Nothing was received in this time."}</p>
      ) : (
        <div className={styles.scroll} tabIndex={0} role="region" aria-label="Ledger rows">
          <table>
            <thead>
              <tr>
                <th scope="col">{step}</th>
                <th scope="col">lane</th>
                {kColumns.map((name) => (
                  <th key={name} scope="col" data-number>
                    {name}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {rows.slice(0, kRowsShown).map((row) => {
                const dropped = dropped_total(row);
                const open = equation(row).difference !== 0;
                const numbers = [
                  row.received,
                  row.stored,
                  row.in_flight,
                  row.deduplicated,
                  dropped,
                  row.quarantined,
                ];
                return (
                  <tr key={`${row.start}-${row.lane}`} data-open={open}>
                    <th scope="row">{day_and_time(row.start, false)}</th>
                    <td>{row.lane}</td>
                    {numbers.map((n, i) => (
                      <td
                        key={kColumns[i]}
                        data-number
                        data-zero={n === 0}
                        title={kColumns[i] === "dropped" ? dropped_text(row) : undefined}
                      >
                        {whole(n)}
                      </td>
                    ))}
                  </tr>
                );
              })}
            </tbody>
          </table>
          {rows.length > kRowsShown && (
            <p className={styles.none}>{whole(rows.length - kRowsShown)} older rows are not shown.</p>
          )}
        </div>
      )}
    </section>
  );
}
