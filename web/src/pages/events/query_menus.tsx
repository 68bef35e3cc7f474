// Where a query can come from: the examples, and what was run before in this browser.
import { Button, Menu } from "@mantine/core";
import { IconBulb, IconHistory } from "@tabler/icons-react";

import { kExamples } from "./examples";
import styles from "./events.module.css";

export function QueryMenus({
  past,
  choose,
}: {
  past: string[];
  choose: (sql: string) => void;
}) {
  return (
    <>
      <Menu width={280} position="bottom-end">
        <Menu.Target>
          <Button variant="default" leftSection={<IconBulb size={16} />}>
            Examples
          </Button>
        </Menu.Target>
        <Menu.Dropdown>
          {kExamples.map((e) => (
            <Menu.Item key={e.title} onClick={() => choose(e.sql)}>
              {e.title}
            </Menu.Item>
          ))}
        </Menu.Dropdown>
      </Menu>
      <Menu width={380} position="bottom-end">
        <Menu.Target>
          <Button
            variant="default"
            disabled={past.length === 0}
            leftSection={<IconHistory size={16} />}
          >
            History
          </Button>
        </Menu.Target>
        <Menu.Dropdown mah={360} style={{ overflow: "auto" }}>
          {past.map((sql) => (
            <Menu.Item key={sql} onClick={() => choose(sql)}>
              <span className={styles.past}>{sql}</span>
            </Menu.Item>
          ))}
        </Menu.Dropdown>
      </Menu>
    </>
  );
}
