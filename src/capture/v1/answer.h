// The answers of Capture V1: what became of each event, and why a request was refused.
//
// A Results waits with its request; when the log has answered, the events it could not store are
// told to come again and the others are told what they are.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "capture/decode/refusal.h"
#include "capture/turn.h"
#include "event/lane.h"
#include "wire/http.h"

namespace penstock::capture::v1 {

inline constexpr std::string_view kMethods = "POST,OPTIONS";

enum class Verdict : uint8_t { kOk, kWarning, kDrop };

struct EventResult {
  Uuid uuid;
  std::string_view details;  // static text, or empty
  Verdict verdict = Verdict::kOk;
  event::Lane lane = event::Lane::kMain;  // where its record went
};

/// What an answer needs of its request after the request has gone.
struct RequestEcho {
  std::string origin;      // empty: no CORS headers
  std::string request_id;  // empty: it had none that is a UUID
  int64_t now_ms = 0;
  event::RequestId request{};  // what we call it
};
RequestEcho echo_of(const wire::Request& request, std::string_view origin, uint32_t number);

class Results : public Reply {
 public:
  Results(RequestEcho echo, std::vector<EventResult> events)
      : echo_(std::move(echo)), events_(std::move(events)) {}
  void send(wire::Responder& responder, uint8_t failed_lanes) override;

 private:
  RequestEcho echo_;
  std::vector<EventResult> events_;
};

/// {"error":tag,"error_description":…,"error_uri":…} with the headers the contract names.
void answer_error(wire::Responder& responder, const RequestEcho& echo, const Refusal& refusal);

}  // namespace penstock::capture::v1
