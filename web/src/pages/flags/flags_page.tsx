// Feature flags of the project: what each does, whom it reaches, and where it is decided.
import { Button, Drawer, Switch } from "@mantine/core";
import { IconPlus } from "@tabler/icons-react";
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";

import { api } from "../../api/client";
import { useFlags } from "../../api/queries";
import { query_client } from "../../app/client";
import { useProject } from "../../app/project";
import { ErrorNote } from "../../components/error_note";
import { FullLoader } from "../../components/full_loader";
import { PageHeader } from "../../components/page_header";
import page from "../../components/page.module.css";
import { decided, summary, type Decided, type Flag } from "../../lib/flag_form";
import { FlagEditor } from "./flag_editor";
import styles from "./flags.module.css";

const kPlaces: Record<Decided["place"], string> = {
  here: "Decided here",
  sdk: "Local evaluation only",
  nowhere: "Not decided yet",
};

function Place({ flag }: { flag: Flag }) {
  const { place, why } = decided(flag);
  return (
    <span className={styles.place} data-place={place} title={why}>
      {kPlaces[place]}
    </span>
  );
}

function Row({ flag, project, edit }: { flag: Flag; project: number; edit: () => void }) {
  const toggle = useMutation({
    mutationFn: (active: boolean) =>
      api(`/projects/${project}/feature_flags/${flag.id}`, { method: "PATCH", body: { active } }),
    onSuccess: () => query_client.invalidateQueries({ queryKey: ["flags", project] }),
  });
  const active = toggle.isPending ? toggle.variables : (flag.active ?? true);
  return (
    <li className={styles.row} data-testid={`flag-${flag.key}`}>
      <Switch
        aria-label={`${flag.key} is on`}
        checked={active}
        onChange={(e) => toggle.mutate(e.currentTarget.checked)}
      />
      <button type="button" className={styles.words} onClick={edit}>
        <code>{flag.key}</code>
        {flag.name && <span className={styles.name}>{flag.name}</span>}
        <span className={styles.summary}>{active ? summary(flag) : "Off for everybody"}</span>
      </button>
      <Place flag={flag} />
      {toggle.error && <ErrorNote error={toggle.error} className={styles.error} />}
    </li>
  );
}

/** What the words at the right of a flag mean. */
function Legend() {
  return (
    <dl className={styles.legend}>
      <dt>Decided here</dt>
      <dd>Penstock answers every SDK: rollout and variants by PostHog&apos;s own hash.</dd>
      <dt>Local evaluation only</dt>
      <dd>
        It asks for properties, cohorts, groups or other flags. Penstock answers it as failed, so SDKs keep what
        they knew; server SDKs with an API key decide it themselves.
      </dd>
    </dl>
  );
}

function Empty() {
  return (
    <div className={`panel ${styles.empty}`}>
      <h2>No flags yet</h2>
      <p>
        A flag switches something in your product on for some of the people, by a share or by variants. SDKs ask
        for it by its key: <code>posthog.isFeatureEnabled(&quot;new-checkout&quot;)</code>.
      </p>
    </div>
  );
}

export default function FlagsPage() {
  const { project } = useProject();
  const flags = useFlags(project.id);
  const [open, set_open] = useState<Flag | "new" | null>(null);
  const close = (): void => set_open(null);
  const list = flags.data ?? [];
  return (
    <div className={page.page}>
      <PageHeader
        title="Feature flags"
        hint="On for a share of the people, whole or in variants."
      >
        <Button leftSection={<IconPlus size={16} />} onClick={() => set_open("new")}>
          New flag
        </Button>
      </PageHeader>
      {flags.error && <ErrorNote error={flags.error} retry={() => void flags.refetch()} />}
      {flags.isPending && <FullLoader />}
      {flags.data && list.length === 0 && <Empty />}
      {list.length > 0 && (
        <ul className={`panel ${styles.list}`} aria-label="Feature flags">
          {list.map((flag) => (
            <Row key={flag.id} flag={flag} project={project.id} edit={() => set_open(flag)} />
          ))}
        </ul>
      )}
      {list.length > 0 && <Legend />}
      <Drawer
        opened={open !== null}
        onClose={close}
        position="right"
        size="lg"
        title={<b>{open === "new" || open === null ? "New flag" : open.key}</b>}
      >
        {open !== null && (
          <FlagEditor
            key={open === "new" ? "new" : open.id}
            flag={open === "new" ? undefined : open}
            project={project.id}
            on_done={close}
          />
        )}
      </Drawer>
    </div>
  );
}
