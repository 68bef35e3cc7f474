// Events: SQL over everything that was stored, with the answer as a table or a chart.
import { Button, Kbd, Loader } from "@mantine/core";
import { useMediaQuery } from "@mantine/hooks";
import { IconPlayerPlayFilled, IconPlayerStopFilled } from "@tabler/icons-react";
import { useEffect, useRef, useState } from "react";
import { useSearchParams } from "react-router";

import { useSchema } from "../../api/queries";
import { useProject } from "../../app/project";
import { ErrorNote } from "../../components/error_note";
import { PageHeader } from "../../components/page_header";
import page from "../../components/page.module.css";
import { sql_of_address } from "../../lib/person_words";
import { session_sql } from "../../lib/replay/links";
import { load, save } from "../../lib/storage";
import styles from "./events.module.css";
import { kFirstSql } from "./examples";
import { QueryMenus } from "./query_menus";
import { Result } from "./result";
import { SqlEditor } from "./sql_editor";
import { useQueryRun } from "./use_query_run";

const kPastMax = 30;
const kNoTables: never[] = [];

export default function EventsPage() {
  const { project } = useProject();
  const narrow = useMediaQuery("(max-width: 767px)") ?? false;
  const schema = useSchema(project.id);
  const query = useQueryRun(project.id);
  // A recording leads here with its session, a person with its id; the query is made here, so no
  // address runs SQL of its own.
  const [params] = useSearchParams();
  const session = params.get("session");
  const [sql, set_sql] = useState(() => (session ? session_sql(session) : (sql_of_address(params) ?? load("sql", kFirstSql))));
  const [past, set_past] = useState<string[]>(() => load("sql-past", []));

  const run = (text = sql): void => {
    save("sql", text);
    const trimmed = text.trim();
    if (trimmed) {
      const next = [trimmed, ...past.filter((p) => p !== trimmed)].slice(0, kPastMax);
      set_past(next);
      save("sql-past", next);
    }
    void query.run(text);
  };
  const choose = (text: string): void => {
    set_sql(text);
    run(text);
  };
  // The page opens with an answer rather than with an empty frame.
  const begun = useRef(false);
  useEffect(() => {
    if (begun.current) return;
    begun.current = true;
    void query.run(sql);
  }, [query, sql]);

  return (
    <div className={page.fill}>
      <PageHeader
        title="Events"
        hint={narrow ? undefined : "ClickHouse SQL over everything that was stored."}
      >
        <QueryMenus past={past} choose={choose} />
      </PageHeader>
      <div className={`panel ${styles.editor}`}>
        <SqlEditor
          value={sql}
          schema={schema.data ?? kNoTables}
          on_change={set_sql}
          on_run={() => run()}
        />
        <div className={styles.run}>
          {!narrow && !query.running && (
            <span className="muted">
              <Kbd size="xs">Ctrl</Kbd> <Kbd size="xs">Enter</Kbd>
            </span>
          )}
          {query.running ? (
            <Button
              color="red"
              variant="light"
              leftSection={<IconPlayerStopFilled size={15} />}
              onClick={query.cancel}
            >
              Cancel{query.seconds > 0 ? ` · ${query.seconds} s` : ""}
            </Button>
          ) : (
            <Button leftSection={<IconPlayerPlayFilled size={15} />} onClick={() => run()}>
              Run
            </Button>
          )}
        </div>
      </div>
      {query.error && (
        <ErrorNote
          error={query.error}
          title="The query failed"
          classNames={{ message: styles.error }}
          data-testid="query-error"
        />
      )}
      <div className={`panel ${styles.result}`} aria-busy={query.running}>
        {query.answer ? (
          // Keyed by its columns: a view that was chosen stays while one query is refined.
          <Result key={JSON.stringify(query.answer.columns)} answer={query.answer} />
        ) : (
          <div className={styles.none}>{query.running ? <Loader type="dots" /> : "No result yet."}</div>
        )}
      </div>
    </div>
  );
}
