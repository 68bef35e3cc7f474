// What a new project shows instead of an empty list: how to send its first event.
import type { Project } from "../../api/types";
import { useTitle } from "../../app/title";
import { Snippets } from "../../components/snippets";
import styles from "./first_run.module.css";

export function FirstRun({ project }: { project: Project }) {
  useTitle("Live");
  return (
    <section className={styles.box} data-testid="first-run">
      <div className={styles.waiting} role="status">
        <i aria-hidden />
        Listening on {project.capture_url.replace(/^https?:\/\//, "")}
      </div>
      <h1>Send your first event</h1>
      <p>
        Paste one of these, or point a PostHog SDK you already use at this address. The event
        appears here the moment it was decided; this page needs no reload.
      </p>
      <Snippets project={project} />
    </section>
  );
}
