import { useProject } from "../../app/project";
import { PageHeader } from "../../components/page_header";
import page from "../../components/page.module.css";
import { FirstRun } from "./first_run";

export function LivePage() {
  const { project } = useProject();
  return (
    <div className={page.fill}>
      <PageHeader title="Live" hint="Every event, as it is decided." />
      <FirstRun project={project} />
    </div>
  );
}
