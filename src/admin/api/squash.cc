// How the person overrides are squashed, and the wish that it be now.
#include "admin/api/service.h"

namespace penstock::admin {

void Service::write_squash(JsonWriter& w) const {
  const SquashStatus s = sources_.squash();
  w.begin_object().field("running", s.running).field("phase", s.phase);
  w.field("attempts", s.attempts)
      .field("overrides_waiting", s.overrides)
      .field("overrides", s.run_overrides);
  w.field("rows_rewritten", s.rows_rewritten).field("partitions", s.partitions);
  w.field("partitions_done", s.partitions_done).key("last_run_at");
  s.last_ended_ms == 0 ? w.null() : w.string(iso_time(s.last_ended_ms));
  w.field("last_run_ms", s.last_elapsed_ms).field("last_error", s.last_error).end_object();
}

void Service::squash(Call& call, wire::Responder& r) {
  if (!sources_.squash) return reply_error(r, {Code::kNotFound, "this process does not squash"});
  const bool post = call.request.method == "POST";
  if (!post && call.request.method != "GET") {
    return reply_error(r, {Code::kNotFound, "GET says how it stands, POST begins a squash"});
  }
  if (post && call.principal.project.value != 0) {
    return reply_error(r, {Code::kDenied, "a key of one project cannot begin a squash"});
  }
  if (post) sources_.squash_now();
  JsonWriter w;
  write_squash(w);
  reply_json(r, w.take());
}

}  // namespace penstock::admin
