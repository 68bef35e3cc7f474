// From an event to the moment of its recording; nothing when its session was not recorded.
import { Button } from "@mantine/core";
import { IconMovie } from "@tabler/icons-react";
import { Link } from "react-router";

import { useRecordingSummary } from "../api/queries";
import { moment_path, type Moment } from "../lib/replay/links";

export function RecordingLink({ project, moment }: { project: number; moment: Moment }) {
  const { data } = useRecordingSummary(project, moment.session);
  if (!data) return null;
  return (
    <Button
      component={Link}
      to={moment_path(moment)}
      variant="default"
      size="compact-sm"
      leftSection={<IconMovie size={15} />}
      mb={14}
      style={{ justifySelf: "start" }}
    >
      Watch this moment
    </Button>
  );
}
