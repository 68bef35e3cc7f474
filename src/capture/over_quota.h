// OverQuota: the answer of endpoints that tell a client when its project may have no more.
//
// What was sent is dropped and counted like any event over its quota; the answer leaves when that
// is in the log. A Reply of one request; loop thread only.
#pragma once

#include "capture/answers.h"
#include "capture/turn.h"

namespace penstock::capture {

class OverQuota : public Reply {
 public:
  enum class Of : uint8_t {
    kRecordings,  // 200, and posthog-js pauses
    kAiEvent      // 429
  };
  OverQuota(Of of, AnswerContext context) : of_(of), context_(std::move(context)) {}
  void send(wire::Responder& responder, uint8_t failed_lanes) override;

 private:
  Of of_;
  AnswerContext context_;
};

}  // namespace penstock::capture
