// A failure, shown where its result would have been.
import { Alert, Button, type AlertProps } from "@mantine/core";
import { IconAlertTriangle } from "@tabler/icons-react";

export function ErrorNote({
  error,
  title,
  retry,
  ...rest
}: { error: Error; title?: string; retry?: () => void } & Omit<AlertProps, "title" | "children">) {
  return (
    <Alert
      color="red"
      variant="light"
      icon={<IconAlertTriangle size={18} />}
      title={title}
      role="alert"
      bg="var(--p-bad-soft)"
      {...rest}
    >
      <span style={{ overflowWrap: "anywhere", color: "var(--p-text)" }}>{error.message}</span>
      {retry && (
        <Button variant="default" size="compact-sm" mt={8} display="block" onClick={retry}>
          Try again
        </Button>
      )}
    </Alert>
  );
}
