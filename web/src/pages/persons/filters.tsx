// The conditions on properties: each a pill, and a small form for one more.
import { Autocomplete, Button, CloseButton, Popover, Select, TextInput } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { IconFilterPlus } from "@tabler/icons-react";
import { useState, type FormEvent } from "react";

import { usePropertyDefinitions } from "../../api/definitions";
import type { FilterOperator, PersonFilter } from "../../api/persons";
import { filter_text, kOperators, needs_value } from "../../lib/person_words";
import styles from "./persons.module.css";

const kFiltersMax = 10;
const kUsual = ["email", "name", "plan", "$browser", "$os", "$geoip_country_name", "$initial_referring_domain", "$initial_current_url"];

function FilterForm({ project, add }: { project: number; add: (filter: PersonFilter) => void }) {
  const [key, set_key] = useState("");
  const known = usePropertyDefinitions(project, "person", "", true);
  const names = [...new Set([...(known.data?.pages[0]?.results.map((p) => p.name) ?? []), ...kUsual])]
    // The project's own before those of SDKs.
    .sort((a, b) => Number(a.startsWith("$")) - Number(b.startsWith("$")));
  const [operator, set_operator] = useState<FilterOperator>("exact");
  const [value, set_value] = useState("");
  const submit = (e: FormEvent): void => {
    e.preventDefault();
    if (key.trim() === "") return;
    add(needs_value(operator) ? { key: key.trim(), operator, value } : { key: key.trim(), operator });
  };
  return (
    <form className={styles.filter_form} onSubmit={submit}>
      <Autocomplete
        size="sm"
        label="Property"
        placeholder="plan"
        data={names}
        limit={50}
        value={key}
        onChange={set_key}
        comboboxProps={{ withinPortal: false }}
        data-autofocus
      />
      <Select
        size="sm"
        label="Condition"
        data={kOperators.map(({ value: v, label }) => ({ value: v, label }))}
        value={operator}
        onChange={(v) => set_operator((v ?? "exact") as FilterOperator)}
        allowDeselect={false}
        comboboxProps={{ withinPortal: false }}
      />
      {needs_value(operator) && (
        <TextInput size="sm" label="Value" placeholder="pro" value={value} onChange={(e) => set_value(e.currentTarget.value)} />
      )}
      <Button type="submit" size="sm" disabled={key.trim() === ""}>
        Add filter
      </Button>
    </form>
  );
}

export function Filters({ project, filters, set }: { project: number; filters: PersonFilter[]; set: (filters: PersonFilter[]) => void }) {
  const [opened, { open, close }] = useDisclosure(false);
  return (
    <div className={styles.pills} role="group" aria-label="Filters">
      <Popover opened={opened} onChange={(o) => (o ? open() : close())} position="bottom-start" width={280} trapFocus shadow="md">
        <Popover.Target>
          <Button variant="default" size="compact-sm" leftSection={<IconFilterPlus size={15} />} disabled={filters.length >= kFiltersMax} onClick={opened ? close : open}>
            Filter
          </Button>
        </Popover.Target>
        <Popover.Dropdown>
          <FilterForm
            key={`${opened}`}
            project={project}
            add={(filter) => {
              set([...filters, filter]);
              close();
            }}
          />
        </Popover.Dropdown>
      </Popover>
      {filters.map((filter, i) => (
        <span key={`${i}-${filter.key}`} className={styles.pill} title={filter_text(filter)}>
          <span className="clip">{filter_text(filter)}</span>
          <CloseButton size="xs" aria-label={`Remove the filter ${filter_text(filter)}`} onClick={() => set(filters.filter((_, n) => n !== i))} />
        </span>
      ))}
    </div>
  );
}
