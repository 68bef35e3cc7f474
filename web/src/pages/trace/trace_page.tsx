import { PageHeader } from "../../components/page_header";
import page from "../../components/page.module.css";

export default function TracePage() {
  return (
    <div className={page.page}>
      <PageHeader title="Trace" />
    </div>
  );
}
