// One event's story: what became of it in words, and the way it went as a timeline.
import { Link } from "react-router";

import type { TraceEntry } from "../api/types";
import { clock, day_and_time } from "../lib/format";
import { explain, kNotFound, timeline, type Explanation } from "../lib/trace_words";
import styles from "./trace_story.module.css";

function Verdict({ words, children }: { words: Explanation; children?: React.ReactNode }) {
  const idle = words.todo.startsWith("Nothing to do");
  return (
    <div className={styles.verdict} data-tone={words.tone} data-testid="trace-verdict">
      <h3>{words.title}</h3>
      <p>
        {words.happened} {idle && <span className="muted">{words.todo}</span>}
      </p>
      {words.todo && !idle && (
        <p className={styles.todo}>
          <b>To do</b> {words.todo}
        </p>
      )}
      {children}
    </div>
  );
}

function Steps({ entry }: { entry: TraceEntry }) {
  return (
    <ol className={styles.steps}>
      {timeline(entry).map((step, i) => (
        <li key={`${i}-${step.title}`} data-state={step.state}>
          <i aria-hidden />
          <div>
            <b>{step.title}</b>
            {step.detail && <span>{step.detail}</span>}
            {step.link && (
              <span>
                <Link to={step.link.to}>{step.link.text}</Link>
              </span>
            )}
            {step.place && <code>{step.place}</code>}
          </div>
          {step.at && (
            <time dateTime={step.at} title={day_and_time(step.at)} className="num">
              {clock(step.at)}
            </time>
          )}
        </li>
      ))}
    </ol>
  );
}

export function TraceStory({ entries }: { entries: TraceEntry[] }) {
  if (entries.length === 0) return <Verdict words={kNotFound} />;
  return (
    <div className={styles.entries}>
      {entries.map((entry) => (
        <article key={`${entry.lane}-${entry.partition}-${entry.offset}-${entry.received_at}`}>
          <Verdict words={explain(entry)} />
          <Steps entry={entry} />
        </article>
      ))}
    </div>
  );
}
