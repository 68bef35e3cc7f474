// Groups: companies, teams and whatever else a project's events name; one list for each type.
import { CloseButton, SegmentedControl, TextInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { IconBuilding, IconSearch } from "@tabler/icons-react";
import { useState } from "react";
import { Link, Navigate, useNavigate, useParams } from "react-router";

import { useGroups, useGroupTypes, type Group, type GroupType } from "../../api/groups";
import { useProject } from "../../app/project";
import { ErrorNote } from "../../components/error_note";
import { FullLoader } from "../../components/full_loader";
import { PageHeader } from "../../components/page_header";
import page from "../../components/page.module.css";
import { ago, day_and_time, plural, whole } from "../../lib/format";
import { group_path } from "../../lib/group_sql";
import styles from "./groups.module.css";

const kMost = 200;

/** What a group is called, where its properties say so. */
function name_of(group: Group): string | null {
  const name = group.group_properties["name"];
  return typeof name === "string" && name.trim() !== "" ? name : null;
}

function some_properties(group: Group): string {
  return Object.entries(group.group_properties)
    .filter(([key]) => key !== "name")
    .slice(0, 3)
    .map(([key, value]) => `${key}: ${typeof value === "string" ? value : JSON.stringify(value)}`.slice(0, 60))
    .join(" · ");
}

function Row({ group: g }: { group: Group }) {
  const name = name_of(g);
  return (
    <li>
      <Link className={styles.row} to={group_path(g.group_type_index, g.group_key)} data-testid={`group-${g.group_key}`}>
        <span className={styles.who}>
          <b className="clip">{name ?? g.group_key}</b>
          {name && <span className="clip mono">{g.group_key}</span>}
        </span>
        <span className={`clip ${styles.some}`}>{some_properties(g) || "–"}</span>
        <span className={`${styles.count} num`}>{whole(Object.keys(g.group_properties).length)}</span>
        <time className={styles.created} dateTime={g.created_at} title={day_and_time(g.created_at)}>
          {ago(g.created_at, Date.now())}
        </time>
      </Link>
    </li>
  );
}

function FirstGroup() {
  return (
    <div className={`panel ${styles.none}`} role="status" data-testid="no-group-types">
      <IconBuilding size={28} stroke={1.5} aria-hidden />
      <b>No groups yet</b>
      <span>
        A group is what several persons share: a company, a team, a workspace. An SDK names it once, and every event
        after that belongs to it. The first five types a project uses become its types.
      </span>
      <pre>{`posthog.group("company", "acme", { name: "Acme", plan: "scale" })`}</pre>
    </div>
  );
}

function List({ project, type }: { project: number; type: GroupType }) {
  const [text, set_text] = useState("");
  const [search] = useDebouncedValue(text.trim(), 250);
  const { data, error } = useGroups(project, type.group_type_index, search);
  return (
    <>
      <TextInput
        aria-label="Find a group"
        placeholder="Key or name"
        value={text}
        onChange={(e) => set_text(e.currentTarget.value)}
        leftSection={<IconSearch size={16} />}
        rightSection={text && <CloseButton size="sm" aria-label="Clear the search" onClick={() => set_text("")} />}
      />
      {error && <ErrorNote error={error} title="The list cannot be shown" />}
      {!data && !error && <FullLoader />}
      {data?.length === 0 && (
        <div className={`panel ${styles.none}`} role="status">
          <b>{search ? "No group matches" : `No ${type.group_type} is described yet`}</b>
          <span>
            {search
              ? "A part of the key or of the name is enough, whatever its case."
              : "Events name groups of this type; a group appears here when an SDK says something about it with group()."}
          </span>
        </div>
      )}
      {data && data.length > 0 && (
        <>
          <div className={`panel ${styles.list}`}>
            <div className={styles.head} aria-hidden>
              <span>Group</span>
              <span>Some of its properties</span>
              <span className={styles.count}>Properties</span>
              <span>Created</span>
            </div>
            <ul aria-label="Groups">
              {data.map((g) => (
                <Row key={g.group_key} group={g} />
              ))}
            </ul>
          </div>
          <p className={styles.foot}>
            {data.length < kMost ? `${plural(data.length, "group")}, changed last first.` : `The ${whole(kMost)} changed last. The search finds the others.`}
          </p>
        </>
      )}
    </>
  );
}

export default function GroupsPage() {
  const { project } = useProject();
  const { type: wanted } = useParams();
  const navigate = useNavigate();
  const types = useGroupTypes(project.id);
  if (types.isPending) return <FullLoader />;
  const first = types.data?.[0];
  const type = types.data?.find((t) => String(t.group_type_index) === wanted);
  if (first && !type) return <Navigate to={`/groups/${first.group_type_index}`} replace />;
  return (
    <div className={page.page}>
      <PageHeader title="Groups" hint="What several persons share: companies, teams, workspaces.">
        {type && (types.data?.length ?? 0) > 1 && (
          <SegmentedControl
            aria-label="Type"
            value={String(type.group_type_index)}
            onChange={(value) => void navigate(`/groups/${value}`, { replace: true })}
            data={types.data?.map((t) => ({ value: String(t.group_type_index), label: t.group_type.slice(0, 40) })) ?? []}
          />
        )}
      </PageHeader>
      {types.error && <ErrorNote error={types.error} retry={() => void types.refetch()} />}
      {types.data?.length === 0 && <FirstGroup />}
      {type && <List key={type.group_type_index} project={project.id} type={type} />}
    </div>
  );
}
