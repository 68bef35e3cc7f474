import { ActionIcon, Button, Tooltip } from "@mantine/core";
import { IconCheck, IconCopy } from "@tabler/icons-react";
import { useEffect, useState } from "react";

import { copy_text } from "../lib/clipboard";

function useCopied(text: string): [boolean, () => void] {
  const [copied, set_copied] = useState(false);
  useEffect(() => {
    if (!copied) return undefined;
    const timer = setTimeout(() => set_copied(false), 1_600);
    return () => clearTimeout(timer);
  }, [copied]);
  return [copied, () => void copy_text(text).then(set_copied)];
}

export function CopyIcon({ text, label }: { text: string; label: string }) {
  const [copied, copy] = useCopied(text);
  return (
    <Tooltip label={copied ? "Copied" : label}>
      <ActionIcon variant="subtle" color="gray" size="sm" onClick={copy} aria-label={label}>
        {copied ? <IconCheck size={15} color="var(--p-accepted)" /> : <IconCopy size={15} />}
      </ActionIcon>
    </Tooltip>
  );
}

export function CopyButton({ text, label = "Copy" }: { text: string; label?: string }) {
  const [copied, copy] = useCopied(text);
  return (
    <Button
      variant="default"
      size="compact-sm"
      onClick={copy}
      leftSection={copied ? <IconCheck size={14} /> : <IconCopy size={14} />}
    >
      {copied ? "Copied" : label}
    </Button>
  );
}
