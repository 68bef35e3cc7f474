import { PageHeader } from "../../components/page_header";
import page from "../../components/page.module.css";

export default function SettingsPage() {
  return (
    <div className={page.page}>
      <PageHeader title="Settings" />
    </div>
  );
}
