import { PageHeader } from "../../components/page_header";
import page from "../../components/page.module.css";

export default function EventsPage() {
  return (
    <div className={page.page}>
      <PageHeader title="Events" />
    </div>
  );
}
