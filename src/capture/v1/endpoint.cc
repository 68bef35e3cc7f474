#include "capture/v1/endpoint.h"

#include <algorithm>
#include <array>

#include "base/recycling.h"
#include "capture/metrics.h"
#include "capture/origins.h"

namespace penstock::capture::v1 {
namespace {

/// Keeps an answer well below what may be queued for a client.
constexpr size_t kEventsPerBatchMax = 50'000;
constexpr size_t kKeptBytes = 256U << 10;

/// Ids that programs send by mistake; they would gather strangers into one person.
constexpr std::array kIllegalIds = std::to_array<std::string_view>({
    "0",
    "00000000-0000-0000-0000-000000000000",
    "[object object]",
    "anonymous",
    "anonymous-user",
    "backend",
    "distinct_id",
    "distinctid",
    "email",
    "false",
    "guest",
    "id",
    "nan",
    "none",
    "not_authenticated",
    "null",
    "system",
    "true",
    "undefined",
    "user",
});

/// Bit n: there is one of n characters. Most ids need no comparing.
constexpr uint64_t kIllegalSizes = [] {
  uint64_t bits = 0;
  for (const std::string_view id : kIllegalIds) bits |= uint64_t{1} << id.size();
  return bits;
}();

bool is_illegal_id(std::string_view id) {
  if (id.size() > 63 || (kIllegalSizes >> id.size() & 1) == 0) return false;
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::ranges::any_of(kIllegalIds, [&](std::string_view known) {
    return known.size() == id.size() && std::ranges::equal(id, known, {}, lower);
  });
}

}  // namespace

void EventsEndpoint::handle(wire::Request& request, wire::Responder responder,
                            const Arrival& arrival) {
  RequestEcho echo = echo_of(request, arrival.origin, arrival.request);
  if (request.method != "POST") {
    return answer_error(responder, echo, {405, "method_not_allowed", "use POST"});
  }
  metrics().requests.add();
  metrics().bytes.add(request.body->size());
  if (!arrival.ready) {
    return answer_error(responder, echo, {503, "service_unavailable", "starting or stopping"});
  }
  if (const Status room = turn_.room(); !room) {
    metrics().unavailable.add();
    return answer_error(responder, echo, {503, "service_unavailable", room.error().message});
  }
  const auto head = read_head(request, options_.token_bytes_max);
  if (!head) {
    const auto token = read_bearer(request, options_.token_bytes_max);
    const auto* project = token ? arrival.projects.find_token(*token) : nullptr;
    return refuse(request, responder, echo, project, head.error(), {});
  }
  const catalog::Project* project = arrival.projects.find_token(head->token);
  if (!origin_allowed(project, echo.origin)) echo.origin.clear();
  if (const Status room = turn_.room(project, request.body->size()); !room) {
    metrics().unavailable.add();
    return answer_error(responder, echo, {503, "service_unavailable", room.error().message});
  }
  const auto text = body_text(request, *head);
  if (!text) return refuse(request, responder, echo, project, text.error(), {});
  const auto batch =
      parser_.parse(*text, std::min(options_.events_per_request_max, kEventsPerBatchMax));
  if (!batch) {
    refuse(request, responder, echo, project, batch.error(), *text);
  } else {
    accept(request, std::move(responder), arrival, *head, **batch, std::move(echo));
  }
  parser_.clear();
  maker_.trim();
  plain_.trim(kKeptBytes);
}

std::expected<std::string_view, Refusal> EventsEndpoint::body_text(const wire::Request& request,
                                                                   const Head& head) {
  const auto too_large = [](const char* what) {
    return std::unexpected(Refusal{413, "payload_too_large", what});
  };
  if (request.body_too_large) return too_large("the body is larger than this server takes");
  std::string_view text = request.body->view();
  if (text.empty()) return std::unexpected(Refusal{400, "empty_body", "the request has no body"});
  if (head.encoding) {
    const Status done =
        inflater_.inflate(*head.encoding, text, plain_, options_.v1_decoded_bytes_max);
    if (!done && done.error().code == Code::kExhausted) {
      return too_large("the decompressed body is too large");
    }
    if (!done) {
      return std::unexpected(
          Refusal{400, "request_decoding_error", "the body is not what its Content-Encoding says"});
    }
    text = plain_.view();
    if (text.empty()) return std::unexpected(Refusal{400, "empty_body", "the body is empty"});
  }
  return text;
}

void EventsEndpoint::accept(const wire::Request& request, wire::Responder responder,
                            const Arrival& arrival, const Head& head, const Batch& batch,
                            RequestEcho echo) {
  RequestFacts facts;
  facts.project = arrival.projects.find_token(head.token);
  facts.endpoint = arrival.endpoint;
  facts.token = head.token;
  facts.ip = arrival.ip;
  facts.now_ms = request.received_us / 1000;
  facts.client_ms = head.client_ms;
  facts.historical = batch.historical;
  facts.request = echo.request.number;
  facts.client_request = Uuid::parse(echo.request_id).value_or(Uuid{});
  auto waiting = make_recycled<Waiting>();
  waiting->received_us = request.received_us;
  waiting->responder = std::move(responder);
  turn_.begin(waiting, facts.project);
  maker_.begin(head);
  std::vector<EventResult> results;
  results.reserve(batch.events.size());
  const auto id_of = [&batch](size_t i) { return batch.events[i].distinct_id.value; };
  for (const BatchEvent& e : batch.events) {
    admission_.foresee(facts.project, facts.token, results.size(), batch.events.size(), id_of);
    // In place: what was put together of small parts is slow to copy right away.
    decide(e, facts, waiting, results.emplace_back());
  }
  waiting->reply = std::make_unique<Results>(std::move(echo), std::move(results));
  turn_.end(waiting);
}

/// What drops a well-formed event here; empty: nothing.
std::string_view EventsEndpoint::problem_of(const event::RawRecord& record,
                                            Endpoint endpoint) const {
  if (record.disposition != event::Disposition::kProcess) return {};
  const bool ai = endpoint == Endpoint::kAi;
  if (ai && !record.event.starts_with("$ai_")) return "misrouted_event";
  if (ai && record.data.size() > options_.ai_event_bytes_max) return "ai_event_too_big";
  const bool fits = record.data.size() <= options_.message_bytes_max &&
                    Turn::fits(record.data.size() + record.event.size() + record.session_id.size());
  return fits ? "" : "event_too_big";
}

void EventsEndpoint::decide(const BatchEvent& e, const RequestFacts& facts,
                            const std::shared_ptr<Waiting>& waiting, EventResult& result) {
  event::RawRecord record = maker_.make(e, facts, options_);
  if (const std::string_view problem = problem_of(record, facts.endpoint); !problem.empty()) {
    record.disposition = event::Disposition::kDrop;
    record.reason = problem;
    record.data = record.session_id = {};
  }
  const bool illegal =
      record.disposition == event::Disposition::kProcess && is_illegal_id(record.distinct_id);
  record.skip_persons = illegal;
  const Admitted admitted = admission_.admit(facts.project, record, facts.endpoint);
  result.uuid = e.uuid;
  result.details = admitted.tag;
  result.lane = admitted.lane;
  if (!admitted.tag.empty()) {
    result.verdict = Verdict::kDrop;
  } else if (illegal) {
    result.verdict = Verdict::kWarning;
    result.details = "person_processing_disabled";
  }
  turn_.add(waiting, record, admitted);
}

void EventsEndpoint::refuse(const wire::Request& request, wire::Responder& responder,
                            const RequestEcho& echo, const catalog::Project* project,
                            const Refusal& refusal, std::string_view text) {
  metrics().refused.add();
  turn_.note_refused(request, refusal.status, refusal.tag, text, echo.request.number,
                     Uuid::parse(echo.request_id).value_or(Uuid{}));
  refusals_.note(project, {refusal.tag, refusal.status, request.path, refusal.message});
  answer_error(responder, echo, refusal);
}

}  // namespace penstock::capture::v1
