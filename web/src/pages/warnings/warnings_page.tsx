// Ingestion warnings: what was dropped, changed or diverted, by type, and what to do about it.
import { SegmentedControl } from "@mantine/core";
import { IconChevronDown, IconCircleCheck } from "@tabler/icons-react";
import { useState } from "react";
import { Link } from "react-router";

import { useProject } from "../../app/project";
import { ErrorNote } from "../../components/error_note";
import { FullLoader } from "../../components/full_loader";
import { PageHeader } from "../../components/page_header";
import page from "../../components/page.module.css";
import { ago, day_and_time, plural } from "../../lib/format";
import { amount_of, read_details, words_of, type Group, type Severity } from "../../lib/warning_words";
import { useWarnings, type Sample } from "./use_warnings";
import styles from "./warnings.module.css";

const kRanges = [
  { value: "24", label: "24 hours" },
  { value: "168", label: "7 days" },
  { value: "720", label: "30 days" },
];
const kSeverity: Record<Severity, string> = { error: "Dropped", warning: "Changed", info: "For your information" };

function Sparkline({ steps, label }: { steps: number[]; label: string }) {
  const most = Math.max(...steps, 1);
  return (
    <svg className={styles.spark} viewBox={`0 0 ${steps.length * 3} 28`} role="img" aria-label={label} preserveAspectRatio="none">
      {steps.map((n, i) => {
        const height = n === 0 ? 1 : Math.max(3, (n / most) * 28);
        return <rect key={i} x={i * 3} y={28 - height} width={2} height={height} data-some={n > 0} />;
      })}
    </svg>
  );
}

function OneSample({ sample }: { sample: Sample }) {
  const d = read_details(sample.details);
  return (
    <li className={styles.sample}>
      <time dateTime={sample.at}>{day_and_time(sample.at)}</time>
      <div>
        {d.event && <b>{d.event}</b>}
        {d.distinct_id && <span>from {d.distinct_id}</span>}
        {d.message && <span>{d.message}</span>}
        {Object.entries(d.rest).map(([key, value]) => (
          <span key={key}>
            {key}: {typeof value === "string" ? value : JSON.stringify(value)}
          </span>
        ))}
      </div>
      {d.uuid && <Link to={`/trace/${d.uuid}`}>Trace</Link>}
    </li>
  );
}

function TypeCard({ group, samples, events }: { group: Group; samples: Sample[]; events: number | undefined }) {
  const [open, set_open] = useState(false);
  const words = words_of(group.type);
  const first = samples[0];
  const severity = first ? read_details(first.details).severity : "warning";
  return (
    <section className={`panel ${styles.card}`} aria-label={words.title} data-testid={`warning-${group.type}`}>
      <div className={styles.head}>
        <div className={styles.title}>
          <h2>{words.title}</h2>
          <p>
            <span className={styles.severity} data-severity={severity}>
              {kSeverity[severity]}
            </span>
            <code>{group.type}</code>
          </p>
        </div>
        <Sparkline steps={group.steps} label={`${plural(group.count, "warning")} over time`} />
        <div className={styles.count}>
          <b className="num">{amount_of(group, events)}</b>
          <span>last {ago(group.last, Date.now())}</span>
        </div>
      </div>
      <p className={styles.meaning}>
        {words.meaning} <b>{words.todo}</b>
      </p>
      <button type="button" className={styles.more} aria-expanded={open} onClick={() => set_open(!open)}>
        <IconChevronDown size={15} aria-hidden data-open={open} />
        {open ? "Hide the latest" : `Show the latest ${samples.length > 1 ? samples.length : ""}`}
      </button>
      {open && (
        <ul className={styles.samples}>
          {samples.map((s, i) => (
            <OneSample key={i} sample={s} />
          ))}
        </ul>
      )}
    </section>
  );
}

export default function WarningsPage() {
  const { project } = useProject();
  const [hours, set_hours] = useState("24");
  const { data, error } = useWarnings(project.id, Number(hours));
  return (
    <div className={page.page}>
      <PageHeader
        title="Warnings"
        hint="What was dropped, changed or diverted on its way in. One warning an hour is kept of each kind and sender; Health has the exact counts. Refused requests are counted by the minute."
      >
        <SegmentedControl value={hours} onChange={set_hours} data={kRanges} aria-label="Time range" />
      </PageHeader>
      {error && <ErrorNote error={error} />}
      {!data && !error && <FullLoader />}
      {data?.groups.length === 0 && (
        <div className={`panel ${styles.none}`} data-testid="no-warnings">
          <IconCircleCheck size={28} aria-hidden />
          <div>
            <b>No warnings in this time</b>
            <p>Every event of {project.name} was taken as it came.</p>
          </div>
        </div>
      )}
      {data?.groups.map((g) => (
        <TypeCard key={g.type} group={g} samples={data.samples.get(g.type) ?? []} events={data.dropped[g.type]} />
      ))}
    </div>
  );
}
