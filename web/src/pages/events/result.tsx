// What a query answered: as a chart when the answer looks like one, as a table always.
import { Button, Menu, SegmentedControl } from "@mantine/core";
import { IconDownload } from "@tabler/icons-react";
import { useMemo, useState } from "react";

import type { QueryAnswer } from "../../api/types";
import { pick_chart } from "../../lib/chart_pick";
import { bytes, milliseconds, plural, whole } from "../../lib/format";
import { download, to_csv, to_json } from "../../lib/table_text";
import styles from "./events.module.css";
import { ResultChart } from "./result_chart";
import { ResultTable } from "./result_table";

type View = "table" | "line" | "bar";

function file_name(extension: string): string {
  return `penstock-${new Date().toISOString().slice(0, 19).replaceAll(":", "")}.${extension}`;
}

export function Result({ answer }: { answer: QueryAnswer }) {
  const plan = useMemo(
    () => pick_chart(answer.columns, answer.types, answer.results),
    [answer],
  );
  const [chosen, set_chosen] = useState<View | null>(null);
  const view: View = plan ? (chosen ?? plan.kind) : "table";
  return (
    <>
      <div className={styles.bar}>
        <SegmentedControl
          size="xs"
          aria-label="Show the result as"
          value={view}
          onChange={(value) => set_chosen(value as View)}
          data={[
            { value: "table", label: "Table" },
            { value: "line", label: "Line", disabled: plan === null },
            { value: "bar", label: "Bar", disabled: plan === null },
          ]}
        />
        <p className={`${styles.stats} num`} role="status" data-testid="result-stats">
          <b>{plural(answer.rows, "row")}</b>
          <span>{milliseconds(answer.elapsed_ms)}</span>
          {answer.rows_read > answer.rows && (
            <span>
              {whole(answer.rows_read)} read, {bytes(answer.bytes_read)}
            </span>
          )}
          {answer.truncated && <span>truncated</span>}
        </p>
        <Menu position="bottom-end">
          <Menu.Target>
            <Button variant="subtle" size="compact-sm" leftSection={<IconDownload size={15} />}>
              Export
            </Button>
          </Menu.Target>
          <Menu.Dropdown>
            <Menu.Item onClick={() => download(file_name("csv"), "text/csv", to_csv(answer))}>
              CSV
            </Menu.Item>
            <Menu.Item
              onClick={() => download(file_name("json"), "application/json", to_json(answer))}
            >
              JSON
            </Menu.Item>
          </Menu.Dropdown>
        </Menu>
      </div>
      {view === "table" || !plan ? (
        answer.rows === 0 ? (
          <p className={styles.none}>The query ran and found no rows.</p>
        ) : (
          <ResultTable key={answer.query_id} answer={answer} />
        )
      ) : (
        <ResultChart plan={plan} kind={view} />
      )}
    </>
  );
}
