// What the live view shows; the server filters, so a narrow view of a busy project costs little.
import { CloseButton, Select, TextInput } from "@mantine/core";
import { IconFilter, IconUser } from "@tabler/icons-react";

import styles from "./live.module.css";
import type { TailFilter } from "./use_tail";

const kOutcomes = [
  { value: "", label: "Every outcome" },
  { value: "accepted", label: "Accepted" },
  { value: "dropped", label: "Dropped" },
  { value: "duplicate", label: "Duplicates" },
  { value: "quarantined", label: "Quarantined" },
];
const kSince = [
  { value: "now", label: "From now on" },
  { value: "-15m", label: "Last 15 minutes" },
  { value: "-6h", label: "Last 6 hours" },
  { value: "start", label: "Everything kept" },
];

export function Filters({
  filter,
  set,
}: {
  filter: TailFilter;
  set: (change: Partial<TailFilter>) => void;
}) {
  const text = (key: "event" | "distinct_id", label: string, icon: React.ReactNode) => (
    <TextInput
      size="sm"
      aria-label={label}
      placeholder={label}
      value={filter[key]}
      onChange={(e) => set({ [key]: e.currentTarget.value })}
      leftSection={icon}
      rightSection={
        filter[key] && (
          <CloseButton size="sm" aria-label={`Clear ${label}`} onClick={() => set({ [key]: "" })} />
        )
      }
    />
  );
  return (
    <div className={styles.filters} role="search" aria-label="Filter the live view">
      {text("event", "Event name", <IconFilter size={15} />)}
      {text("distinct_id", "distinct_id", <IconUser size={15} />)}
      <Select
        aria-label="Outcome"
        data={kOutcomes}
        value={filter.outcome}
        onChange={(value) => set({ outcome: value ?? "" })}
        allowDeselect={false}
      />
      <Select
        aria-label="Since"
        data={kSince}
        value={filter.since}
        onChange={(value) => set({ since: value ?? "-15m" })}
        allowDeselect={false}
      />
    </div>
  );
}
