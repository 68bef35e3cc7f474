// A failure, shown where its result would have been.
import { Alert, type AlertProps } from "@mantine/core";
import { IconAlertTriangle } from "@tabler/icons-react";

export function ErrorNote({
  error,
  title,
  ...rest
}: { error: Error; title?: string } & Omit<AlertProps, "title" | "children">) {
  return (
    <Alert
      color="red"
      variant="light"
      icon={<IconAlertTriangle size={18} />}
      title={title}
      role="alert"
      {...rest}
    >
      <span style={{ overflowWrap: "anywhere" }}>{error.message}</span>
    </Alert>
  );
}
