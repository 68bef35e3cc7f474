#include "main/stage_status.h"

namespace penstock::cli {
namespace {

double us_each(int64_t cpu_ns, uint64_t count) {
  return count == 0 ? 0 : static_cast<double>(cpu_ns) / 1000.0 / static_cast<double>(count);
}

}  // namespace

void add_stages(admin::AdminSources& out, const StagesHere& stages) {
  if (const auto* ingest = stages.ingest) {
    out.ingest = [ingest] {
      const ingest::IngestStats i = ingest->stats();
      return admin::IngestStatus{i.events, i.lag_records,
                                 us_each(static_cast<int64_t>(i.cpu_ns), i.events), i.last_error};
    };
  }
  if (const auto* replay = stages.replay) {
    out.replay = [replay] {
      const replay::ReplayStats r = replay->stats();
      return admin::ReplayStatus{r.messages,     r.blocks,      r.objects,
                                 r.object_bytes, r.lag_records, r.last_error};
    };
  }
  if (const auto* definitions = stages.definitions) {
    out.definitions = [definitions] {
      const definitions::StageStats d = definitions->stats();
      return admin::DefinitionsStatus{
          d.lag_records, us_each(static_cast<int64_t>(d.cpu_ns), d.records), d.last_error};
    };
  }
  if (const auto* loader = stages.loader) {
    out.load = [loader] {
      const load::LoaderStats l = loader->stats();
      return admin::LoadStatus{l.rows,    l.batches,        l.lag_records,
                               l.retries, l.last_insert_us, l.last_error};
    };
  }
}

}  // namespace penstock::cli
