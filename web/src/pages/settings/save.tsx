// The end of a form that saves a setting of a project: what went wrong, that it is saved, and the button.
import { Alert, Button } from "@mantine/core";
import { IconCheck } from "@tabler/icons-react";

import { ErrorNote } from "../../components/error_note";

interface Saving {
  error: Error | null;
  isSuccess: boolean;
  isPending: boolean;
}

/** `what` is the setting's name on the button; `mt` keeps notes apart where the form's layout does not. */
export function Save({ save, what, className, mt }: { save: Saving; what: string; className?: string; mt?: "md" }) {
  return (
    <>
      {save.error && <ErrorNote error={save.error} mt={mt} />}
      {save.isSuccess && (
        <Alert color="teal" mt={mt} icon={<IconCheck size={18} />} role="status">
          Saved. It applies from the next event on.
        </Alert>
      )}
      <div className={className}>
        <Button type="submit" loading={save.isPending}>
          Save {what}
        </Button>
      </div>
    </>
  );
}
