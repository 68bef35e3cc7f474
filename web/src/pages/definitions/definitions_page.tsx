// Definitions: every event and property the project sends, and what was too much to remember.
import { Alert, CloseButton, SegmentedControl, TextInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { IconAlertTriangle, IconSearch } from "@tabler/icons-react";
import { useState } from "react";
import { useSearchParams } from "react-router";

import { useDefinitionCounts, type DefinitionCounts, type Owner } from "../../api/definitions";
import { useProject } from "../../app/project";
import { ErrorNote } from "../../components/error_note";
import { PageHeader } from "../../components/page_header";
import page from "../../components/page.module.css";
import { plural, whole } from "../../lib/format";
import { EventList } from "./event_list";
import { PropertyList } from "./property_list";
import styles from "./definitions.module.css";

const kViews = [
  { value: "events", label: "Events" },
  { value: "event", label: "Event properties" },
  { value: "person", label: "Person properties" },
  { value: "group", label: "Group properties" },
];

/** What had no room, with the likely reason; nothing while everything had. */
function LeftOut({ counts: { left_out: left, limits } }: { counts: DefinitionCounts }) {
  const parts: string[] = [];
  if (left.properties > 0) {
    parts.push(
      `${plural(left.properties, "value")} under property names beyond the first ${whole(limits.properties)}. Names made from data, such as ids, grow without end: put the id into a value.`,
    );
  }
  if (left.events > 0) {
    parts.push(`${plural(left.events, "event")} under names beyond the first ${whole(limits.events)}. What differs belongs into a property.`);
  }
  if (left.event_properties > 0) {
    parts.push(`${plural(left.event_properties, "property", "properties")} seen in events beyond the first ${whole(limits.event_properties)} combinations.`);
  }
  if (left.crowded_events > 0) parts.push(`${plural(left.crowded_events, "event")} with more properties than one event may define.`);
  if (left.long_names > 0) parts.push(`${plural(left.long_names, "name")} of more than 200 bytes.`);
  if (parts.length === 0) return null;
  return (
    <Alert color="yellow" variant="light" icon={<IconAlertTriangle size={18} />} title="Not everything is in these lists" bg="var(--p-warning-soft)" data-testid="left-out">
      <ul className={styles.left_out}>
        {parts.map((text) => (
          <li key={text}>{text}</li>
        ))}
      </ul>
      <p className={styles.left_out_end}>The events themselves are stored with everything they carry.</p>
    </Alert>
  );
}

function Waiting({ counts }: { counts: DefinitionCounts }) {
  if (!counts.running) {
    return <ErrorNote error={new Error("The stage “definitions” does not run in this process (process.stages), so these lists do not grow.")} />;
  }
  if (counts.last_error) return <ErrorNote error={new Error(counts.last_error)} title="The lists do not grow right now" />;
  if (counts.lag_records < 50_000) return null;
  return <p className={styles.note} role="status">{`${whole(counts.lag_records)} records are still to be looked at.`}</p>;
}

export default function DefinitionsPage() {
  const { project } = useProject();
  const [params, set_params] = useSearchParams();
  const [text, set_text] = useState(params.get("search") ?? "");
  const [search] = useDebouncedValue(text.trim(), 200);
  const counts = useDefinitionCounts(project.id);
  const asked = params.get("view") ?? "";
  const view = kViews.some((v) => v.value === asked) ? asked : "events";
  const show = (value: string, find = ""): void => {
    set_params(value === "events" ? {} : { view: value }, { replace: true });
    set_text(find);
  };
  const c = counts.data;
  return (
    <div className={page.page}>
      <PageHeader
        title="Definitions"
        hint={c ? `${plural(c.events, "event")} and ${plural(c.properties, "property", "properties")}, found in what was sent.` : "What this project sends."}
      />
      {counts.error && <ErrorNote error={counts.error} retry={() => void counts.refetch()} />}
      {c && <LeftOut counts={c} />}
      {c && <Waiting counts={c} />}
      <div className={styles.bar}>
        <SegmentedControl className={styles.views} aria-label="What to list" value={view} onChange={(v) => show(v, text)} data={kViews} />
        <TextInput
          className={styles.find}
          aria-label="Find a name"
          placeholder="Part of a name"
          value={text}
          onChange={(e) => set_text(e.currentTarget.value)}
          leftSection={<IconSearch size={15} />}
          rightSection={text && <CloseButton size="sm" aria-label="Clear the search" onClick={() => set_text("")} />}
        />
      </div>
      {view === "events" ? (
        <EventList project={project.id} search={search} show_property={(name) => show("event", name)} />
      ) : (
        <PropertyList key={view} project={project.id} owner={view as Owner} search={search} show_event={(name) => show("events", name)} />
      )}
    </div>
  );
}
