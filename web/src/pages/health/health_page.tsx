// Health: do the books balance, what is wrong, how fast and how far behind.
import { useStatus } from "../../api/queries";
import { ErrorNote } from "../../components/error_note";
import { FullLoader } from "../../components/full_loader";
import { PageHeader } from "../../components/page_header";
import page from "../../components/page.module.css";
import { plural } from "../../lib/format";
import { problems } from "../../lib/problems";
import { EquationPicture } from "./equation_picture";
import { HistoryCharts } from "./history_charts";
import { ProblemList } from "./problem_list";
import { Vitals } from "./vitals";

const kRefreshMs = 2_000;

export default function HealthPage() {
  const { data, error } = useStatus(kRefreshMs);
  const found = data ? problems(data) : [];
  const hint = found.length === 0 ? "Nothing needs your attention." : plural(found.length, "thing needs", "things need") + " your attention.";
  return (
    <div className={page.page}>
      <PageHeader title="Health" hint={data ? hint : undefined} />
      {error && <ErrorNote error={error} />}
      {!data && !error && <FullLoader />}
      {data && (
        <>
          <ProblemList found={found} />
          <EquationPicture
            counts={data.ledger.totals}
            balanced={data.ledger.balance.balanced}
            detail={data.ledger.balance.detail}
          />
          <Vitals status={data} />
          <HistoryCharts points={data.history.points} />
        </>
      )}
    </div>
  );
}
