// From a distinct id to the person it belongs to now.
import { Button } from "@mantine/core";
import { Link, Navigate, useSearchParams } from "react-router";

import { usePersonOf } from "../../api/persons";
import { useProject } from "../../app/project";
import { ErrorNote } from "../../components/error_note";
import { FullLoader } from "../../components/full_loader";
import { PageHeader } from "../../components/page_header";
import page from "../../components/page.module.css";
import { person_path } from "../../lib/person_words";
import styles from "./person.module.css";

export default function PersonOfPage() {
  const { project } = useProject();
  const [params] = useSearchParams();
  const id = params.get("distinct_id") ?? "";
  const person = usePersonOf(project.id, id);
  if (id === "") return <Navigate to="/persons" replace />;
  if (person.data) return <Navigate to={person_path(person.data.id)} replace />;
  if (person.isPending && !person.error) return <FullLoader />;
  return (
    <div className={page.page}>
      <PageHeader title={id} hint="A distinct id." />
      {person.error && <ErrorNote error={person.error} retry={() => void person.refetch()} />}
      {person.data === null && (
        <div className={`panel ${styles.none}`} role="status" data-testid="person-of-nobody">
          <b>No person has this distinct id</b>
          <span>
            Its events were sent without person profiles ($process_person_profile: false), they are still on their way,
            or the person was deleted. identify() or an event with a profile makes a person of it.
          </span>
          <span className={styles.none_actions}>
            <Button component={Link} to={`/events?distinct_id=${encodeURIComponent(id)}`} variant="default" size="compact-sm">
              Its events
            </Button>
            <Button variant="default" size="compact-sm" loading={person.isFetching} onClick={() => void person.refetch()}>
              Look again
            </Button>
          </span>
        </div>
      )}
    </div>
  );
}
