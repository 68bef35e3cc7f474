// A query's rows as a virtual table: sortable, with the whole row on a click.
import { Drawer } from "@mantine/core";
import { useVirtualizer } from "@tanstack/react-virtual";
import { useMemo, useRef, useState } from "react";
import { Link } from "react-router";

import type { QueryAnswer } from "../../api/types";
import { useProject } from "../../app/project";
import { CopyIcon } from "../../components/copy_button";
import { PersonLink } from "../../components/person_link";
import { RecordingLink } from "../../components/recording_link";
import { compare, is_number, plain_type } from "../../lib/chart_pick";
import { moment_of_row } from "../../lib/replay/links";
import { person_path } from "../../lib/person_words";
import { cell_text, pretty } from "../../lib/table_text";
import { find_uuid } from "../../lib/uuid";
import styles from "./events.module.css";

const kRowPx = 34;
const kCharPx = 7.6;
const kSampleRows = 60;
const kCellShownMax = 300;

function widths(answer: QueryAnswer): number[] {
  return answer.columns.map((name, i) => {
    let longest = Math.max(name.length + 3, 6);
    for (const row of answer.results.slice(0, kSampleRows)) {
      longest = Math.max(longest, cell_text(row[i]).length);
    }
    return Math.min(Math.max(longest * kCharPx + 28, 84), 400);
  });
}

function RowDetail({ answer, row }: { answer: QueryAnswer; row: unknown[] }) {
  const { project } = useProject();
  const moment = moment_of_row(answer, row);
  return (
    <>
      {moment && <RecordingLink project={project.id} moment={moment} />}
      <dl className={styles.detail}>
        {answer.columns.map((name, i) => {
          const text = pretty(row[i]);
          const uuid = plain_type(answer.types[i] ?? "") === "UUID" && name === "uuid";
          return (
            <div key={name}>
              <dt>
                {name} <small>{answer.types[i]}</small>
                <CopyIcon text={text} label={`Copy ${name}`} />
              </dt>
              <dd>
                {uuid && find_uuid(text) ? (
                  <Link to={`/trace/${text}`}>{text}</Link>
                ) : name === "distinct_id" && text ? (
                  <PersonLink distinct_id={text} />
                ) : name === "person_id" && find_uuid(text) ? (
                  <Link to={person_path(text)}>{text}</Link>
                ) : (
                  text || "(empty)"
                )}
              </dd>
            </div>
          );
        })}
      </dl>
    </>
  );
}

export function ResultTable({ answer }: { answer: QueryAnswer }) {
  const scroller = useRef<HTMLDivElement>(null);
  const [sort, set_sort] = useState<{ column: number; down: boolean } | null>(null);
  const [open, set_open] = useState<unknown[] | null>(null);
  const columns = useMemo(() => widths(answer), [answer]);
  const rows = useMemo(() => {
    if (!sort) return answer.results;
    const sorted = [...answer.results].sort((a, b) => compare(a[sort.column], b[sort.column]));
    return sort.down ? sorted.reverse() : sorted;
  }, [answer, sort]);
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => kRowPx,
    overscan: 15,
  });
  const grid = {
    gridTemplateColumns: columns.map((w, i) => (i === columns.length - 1 ? `minmax(${w}px, 1fr)` : `${w}px`)).join(" "),
  };
  const least = columns.reduce((a, b) => a + b, 0);
  const next = (column: number): void =>
    set_sort((s) => (s?.column !== column ? { column, down: false } : s.down ? null : { column, down: true }));
  const numeric = answer.types.map(is_number);

  return (
    <div ref={scroller} className={styles.table} role="table" aria-rowcount={rows.length + 1} tabIndex={0} aria-label="Result">
      <div style={{ minWidth: least }}>
        <div className={styles.head} role="row" style={grid}>
          {answer.columns.map((name, i) => (
            <div
              key={`${i}-${name}`}
              role="columnheader"
              aria-sort={sort?.column !== i ? "none" : sort.down ? "descending" : "ascending"}
            >
              <button type="button" data-number={numeric[i]} title={answer.types[i]} onClick={() => next(i)}>
                {name}
                {sort?.column === i && <span aria-hidden>{sort.down ? " ↓" : " ↑"}</span>}
              </button>
            </div>
          ))}
        </div>
        <div style={{ height: virtual.getTotalSize(), position: "relative" }} role="rowgroup">
          {virtual.getVirtualItems().map((item) => {
            const row = rows[item.index] ?? [];
            return (
              <div
                key={item.key}
                role="row"
                tabIndex={0}
                aria-rowindex={item.index + 2}
                className={styles.row}
                style={{ ...grid, height: kRowPx, transform: `translateY(${item.start}px)` }}
                onClick={() => set_open(row)}
                onKeyDown={(e) => {
                  if (e.key === "Enter") set_open(row);
                }}
              >
                {answer.columns.map((name, i) => (
                  <div key={`${i}-${name}`} role="cell" data-number={numeric[i]} data-null={row[i] === null}>
                    {row[i] === null ? "null" : cell_text(row[i]).slice(0, kCellShownMax)}
                  </div>
                ))}
              </div>
            );
          })}
        </div>
      </div>
      <Drawer opened={open !== null} onClose={() => set_open(null)} position="right" size={560} title={<b>Row</b>}>
        {open && <RowDetail answer={answer} row={open} />}
      </Drawer>
    </div>
  );
}
