#include "main/quarantine_source.h"

namespace penstock::cli {

void add_quarantine(admin::AdminSources& sources, QuarantineParts parts) {
  sources.redrives = [parts] {
    std::vector<admin::RedriveProgress> out;
    for (ingest::RedriveStatus& s : parts.ingest.redrives()) {
      out.push_back({s.job, s.appended, s.waiting, s.left_out, s.running, std::move(s.last_error)});
    }
    return out;
  };
  sources.try_out = [parts](event::Source source, std::string record,
                            admin::AdminSources::TriedOut done) {
    parts.ingest_loop.post(
        [parts, source, record = std::move(record), done = std::move(done)]() mutable {
          parts.ingest.try_out(
              source, std::move(record),
              [parts, done = std::move(done)](Result<std::vector<std::string>> out) mutable {
                parts.admin_loop.post([done = std::move(done), out = std::move(out)]() mutable {
                  done(std::move(out));
                });
              });
        });
  };
}

}  // namespace penstock::cli
