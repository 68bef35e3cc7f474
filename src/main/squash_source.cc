#include "main/squash_source.h"

namespace penstock::cli {

void add_squash(admin::AdminSources& sources, load::Squash& squash) {
  sources.squash = [&squash] {
    const load::SquashStatus s = squash.status();
    admin::SquashStatus out;
    out.running = s.running;
    out.phase = s.phase;
    out.attempts = s.attempts;
    out.overrides = s.overrides;
    out.run_overrides = s.run.overrides;
    out.rows_rewritten = s.run.rows_rewritten;
    out.partitions = s.run.partitions;
    out.partitions_done = s.run.partitions_done;
    out.last_ended_ms = s.last_ended_ms;
    out.last_elapsed_ms = s.last_elapsed_ms;
    out.last_error = s.last_error;
    return out;
  };
  sources.squash_now = [&squash] { squash.run_now(); };
}

}  // namespace penstock::cli
