// Settings: connecting SDKs, projects, keys, the login and the look.
import { useMe } from "../../api/queries";
import { SchemeChoice } from "../../app/account_menu";
import { useProject } from "../../app/project";
import { PageHeader } from "../../components/page_header";
import page from "../../components/page.module.css";
import { Snippets } from "../../components/snippets";
import { BrowserSdk } from "./browser_sdk";
import { Cookieless } from "./cookieless";
import { Ingestion } from "./ingestion";
import { Intake } from "./intake";
import { Keys } from "./keys";
import { Password } from "./password";
import { Projects } from "./projects";
import { Section } from "./section";
import { TestAccounts } from "./test_accounts";
import styles from "./settings.module.css";

export default function SettingsPage() {
  const { project } = useProject();
  const operator = useMe().data?.project_id === 0;
  return (
    <div className={`${page.page} ${styles.page}`}>
      <PageHeader title="Settings" />
      <Projects operator={operator} />
      <Section title="Connect an SDK" hint={`Ready to paste, for ${project.name}.`}>
        <Snippets key={project.id} project={project} first="js" />
      </Section>
      <BrowserSdk key={`sdk-${project.id}`} project={project} />
      <Cookieless key={`cookieless-${project.id}`} project={project} />
      <Ingestion key={`ingestion-${project.id}`} project={project} />
      <TestAccounts key={`test-accounts-${project.id}`} project={project} />
      {operator && <Intake key={`intake-${project.id}`} />}
      {operator && <Keys />}
      <Password />
      <Section title="Appearance" hint="Kept in this browser.">
        <div style={{ maxWidth: 320 }}>
          <SchemeChoice size="sm" />
        </div>
      </Section>
    </div>
  );
}
