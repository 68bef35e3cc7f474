// How to send the first event: one tab per SDK, with this project's own key and address.
import { Tabs } from "@mantine/core";

import type { Project } from "../api/types";
import { snippets } from "../lib/snippets";
import { CopyButton } from "./copy_button";
import styles from "./snippets.module.css";

export function Snippets({ project, first = "curl", only }: { project: Project; first?: string; only?: string }) {
  const all = snippets(project.capture_url, project.token).filter((s) => only === undefined || s.id === only);
  return (
    <Tabs defaultValue={only ?? first} keepMounted={false} classNames={{ list: styles.tabs }}>
      {all.length > 1 && (
        <Tabs.List aria-label="SDK">
          {all.map((s) => (
            <Tabs.Tab key={s.id} value={s.id}>
              {s.label}
            </Tabs.Tab>
          ))}
        </Tabs.List>
      )}
      {all.map((s) => (
        <Tabs.Panel key={s.id} value={s.id} pt={all.length > 1 ? "sm" : 0}>
          {s.install && (
            <div className={styles.install}>
              <code>{s.install}</code>
              <CopyButton text={s.install} />
            </div>
          )}
          <div className={styles.code}>
            <pre data-testid={`snippet-${s.id}`} tabIndex={0}>
              {s.code}
            </pre>
            <div className={styles.copy}>
              <CopyButton text={s.code} />
            </div>
          </div>
        </Tabs.Panel>
      ))}
    </Tabs>
  );
}
