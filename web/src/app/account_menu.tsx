// Who is logged in, the colour scheme, and the way out.
import { Menu, SegmentedControl, UnstyledButton, useMantineColorScheme } from "@mantine/core";
import { IconDots, IconLogout } from "@tabler/icons-react";
import { useNavigate } from "react-router";

import { api } from "../api/client";
import type { Me } from "../api/types";
import { query_client } from "./client";
import styles from "./shell.module.css";

export function SchemeChoice({ size = "xs" }: { size?: string }) {
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  return (
    <SegmentedControl
      size={size}
      fullWidth
      aria-label="Colour scheme"
      value={colorScheme}
      onChange={(value) => setColorScheme(value as typeof colorScheme)}
      data={[
        { value: "auto", label: "System" },
        { value: "light", label: "Light" },
        { value: "dark", label: "Dark" },
      ]}
    />
  );
}

export function AccountMenu({ me, compact = false }: { me: Me; compact?: boolean }) {
  const navigate = useNavigate();
  const leave = async (): Promise<void> => {
    await api("/logout", { method: "POST" }).catch(() => undefined);
    query_client.clear();
    query_client.setQueryData(["me"], null);
    navigate("/login", { replace: true });
  };
  return (
    <Menu position={compact ? "bottom-end" : "top-start"} width={230}>
      <Menu.Target>
        <UnstyledButton className={styles.account} aria-label="Account">
          {!compact && (
            <span>
              <b>{me.name}</b>
              <small>version {me.version}</small>
            </span>
          )}
          <IconDots size={18} aria-hidden />
        </UnstyledButton>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>Colour scheme</Menu.Label>
        <div style={{ padding: "0 8px 8px" }}>
          <SchemeChoice />
        </div>
        <Menu.Divider />
        <Menu.Item leftSection={<IconLogout size={16} />} onClick={() => void leave()}>
          Log out
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}
