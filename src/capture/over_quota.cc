#include "capture/over_quota.h"

namespace penstock::capture {

void OverQuota::send(wire::Responder& responder, uint8_t failed_lanes) {
  if (failed_lanes != 0) {
    return answer_unavailable(responder, context_, "nothing could be stored now; try again soon");
  }
  if (of_ == Of::kAiEvent) {
    return answer_text(responder, context_, 429, "the project may have no more AI events now");
  }
  if (context_.beacon) return answer_ok(responder, context_);
  answer_json(responder, context_, 200, R"({"status":"Ok","quota_limited":["recordings"]})");
}

}  // namespace penstock::capture
