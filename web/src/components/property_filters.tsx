// Conditions on properties, one a row: what an app's filters and the project's test accounts are made of.
import { ActionIcon, Autocomplete, Button, Select, TagsInput, TextInput } from "@mantine/core";
import { IconPlus, IconX } from "@tabler/icons-react";

import { usePropertyDefinitions, type Owner } from "../api/definitions";
import { useGroupTypes } from "../api/groups";
import {
  kElementKeys,
  kFilterTypes,
  kOperators,
  operator_of,
  value_for,
  values_of,
  with_operator,
  type FilterType,
  type PropertyFilter,
} from "../lib/filter_form";
import styles from "./property_filters.module.css";

interface RowProps {
  project: number;
  filter: PropertyFilter;
  set: (filter: PropertyFilter) => void;
  remove: () => void;
  label: string;
}

function Key({ project, filter, set }: RowProps) {
  const type = filter.type ?? "event";
  const owner: Owner = type === "person" || type === "group" ? type : "event";
  const known = usePropertyDefinitions(project, owner, "", type === owner);
  if (type === "element") {
    return (
      <Select aria-label="Part of the element" data={kElementKeys} value={filter.key || null} allowDeselect={false}
        placeholder="Part" onChange={(key) => set({ ...filter, key: key ?? "" })} />
    );
  }
  const names = [...new Set(known.data?.pages[0]?.results.map((p) => p.name))]
    // The project's own before those of SDKs.
    .sort((a, b) => Number(a.startsWith("$")) - Number(b.startsWith("$")));
  return (
    <Autocomplete aria-label="Property" placeholder="Property" data={names} limit={50} value={filter.key} spellCheck={false}
      onChange={(key) => set({ ...filter, key })} />
  );
}

function Value({ filter, set }: RowProps) {
  const { takes } = operator_of(filter);
  const texts = values_of(filter);
  const write = (values: string[]): void => set({ ...filter, value: value_for(filter, values) });
  if (takes === "nothing") return <span className={styles.nothing} />;
  if (takes === "texts") {
    return <TagsInput aria-label="Values" placeholder={texts.length === 0 ? "Value, Enter" : undefined} value={texts} onChange={write} acceptValueOnBlur />;
  }
  if (takes === "numbers") {
    return (
      <div className={styles.ends}>
        <TextInput aria-label="From" placeholder="From" value={texts[0] ?? ""} onChange={(e) => write([e.currentTarget.value, texts[1] ?? ""])} />
        <TextInput aria-label="To" placeholder="To" value={texts[1] ?? ""} onChange={(e) => write([texts[0] ?? "", e.currentTarget.value])} />
      </div>
    );
  }
  return <TextInput aria-label="Value" placeholder="Value" value={texts[0] ?? ""} onChange={(e) => write([e.currentTarget.value])} />;
}

function Group({ project, filter, set }: RowProps) {
  const types = useGroupTypes(project);
  const data = types.data?.map((t) => ({ value: String(t.group_type_index), label: t.group_type })) ?? [];
  return (
    <Select aria-label="Type of group" placeholder="Type of group" data={data} allowDeselect={false}
      value={filter.group_type_index === undefined ? null : String(filter.group_type_index)}
      onChange={(index) => set({ ...filter, group_type_index: Number(index ?? 0) })} />
  );
}

function Row(props: RowProps) {
  const { filter, set, remove, label } = props;
  const type = filter.type ?? "event";
  return (
    <li className={styles.row} aria-label={label}>
      <Select aria-label="What it looks at" data={kFilterTypes} value={type} allowDeselect={false}
        onChange={(next) => set({ key: "", type: (next ?? "event") as FilterType, operator: "exact", ...(next === "group" && { group_type_index: 0 }) })} />
      {type === "hogql" ? (
        <TextInput className={styles.wide} aria-label="Hog expression" placeholder="properties.amount > 10 and event != 'test'" spellCheck={false}
          value={filter.key} onChange={(e) => set({ key: e.currentTarget.value, type })} />
      ) : (
        <>
          {type === "group" && <Group {...props} />}
          <Key {...props} />
          <Select aria-label="Condition" data={kOperators.map(({ value, label: text }) => ({ value, label: text }))} value={operator_of(filter).value}
            allowDeselect={false} onChange={(operator) => set(with_operator(filter, operator ?? "exact"))} />
          <Value {...props} />
        </>
      )}
      <ActionIcon variant="subtle" color="gray" size="lg" aria-label={`Remove ${label.toLowerCase()}`} onClick={remove}>
        <IconX size={16} aria-hidden />
      </ActionIcon>
    </li>
  );
}

interface PropertyFiltersProps {
  project: number;
  filters: PropertyFilter[];
  set: (filters: PropertyFilter[]) => void;
  add: string;
}

/** All of them have to hold. `add` is what the button says. */
export function PropertyFilters({ project, filters, set, add }: PropertyFiltersProps) {
  return (
    <div className={styles.list}>
      {filters.length > 0 && (
        <ol>
          {filters.map((filter, i) => (
            <Row key={i} project={project} filter={filter} label={`Condition ${i + 1}`}
              set={(changed) => set(filters.map((f, n) => (n === i ? changed : f)))} remove={() => set(filters.filter((_, n) => n !== i))} />
          ))}
        </ol>
      )}
      <Button variant="default" size="xs" leftSection={<IconPlus size={14} aria-hidden />}
        onClick={() => set([...filters, { key: "", type: "event", operator: "exact" }])}>
        {add}
      </Button>
    </div>
  );
}
