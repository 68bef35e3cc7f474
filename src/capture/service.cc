// Routes and the life of one request: decode, check, hand over, answer.
#include <fmt/format.h>

#include <array>

#include "base/recycling.h"
#include "capture/admit/admission.h"
#include "capture/ai/ai_body.h"
#include "capture/answers.h"
#include "capture/browser/browser.h"
#include "capture/capture.h"
#include "capture/decode/body.h"
#include "capture/decode/events.h"
#include "capture/decode/heatmap.h"
#include "capture/metrics.h"
#include "capture/origins.h"
#include "capture/over_quota.h"
#include "capture/refusal_tally.h"
#include "capture/replay/replay_request.h"
#include "capture/turn.h"
#include "capture/v1/endpoint.h"
#include "wire/client_address.h"

namespace penstock::capture {

CaptureMetrics& metrics() {
  static CaptureMetrics instance;
  return instance;
}

namespace {

constexpr std::string_view kTooLarge = "message_size_too_large";
constexpr size_t kNameKept = 1000;  // of an event that is too large

// Registered when the program starts, so that pages of metrics are whole from the first request.
[[maybe_unused]] const auto& registered = metrics();

enum class Route : uint8_t {
  kEvents,
  kLegacyEvents,
  kEngage,
  kReplay,
  kBlackHole,
  kReadiness,
  kLiveness,
  kMetrics,
  kV1,
  kV1Ai,
  kAi,
  kAiBatch,
  kUnknown,
};

bool is_v1(Route route) { return route == Route::kV1 || route == Route::kV1Ai; }

Route route_of(std::string_view path) {
  if (path == "/") return Route::kReadiness;
  if (path.ends_with('/')) path.remove_suffix(1);
  if (path == "/batch" || path == "/i/v0/e") return Route::kEvents;
  if (path == "/e" || path == "/capture" || path == "/track") return Route::kLegacyEvents;
  if (path == "/engage") return Route::kEngage;
  if (path == "/s") return Route::kReplay;
  if (path == "/i/v1/analytics/events") return Route::kV1;
  if (path == "/i/v1/ai/events") return Route::kV1Ai;
  if (path == "/i/v0/ai") return Route::kAi;
  if (path == "/i/v0/ai/batch") return Route::kAiBatch;
  if (path == "/_readiness") return Route::kReadiness;
  if (path == "/_liveness") return Route::kLiveness;
  if (path == "/metrics") return Route::kMetrics;
  if (path == "/test/black_hole") return Route::kBlackHole;
  return Route::kUnknown;
}

/// What is answered instead of v0's "Ok".
struct Replies {
  std::unique_ptr<Reply> taken, over_quota;
};

class Service : public CaptureService {
 public:
  Service(runtime::Loop& loop, runtime::Runtime& runtime, log::Log& log, catalog::Catalog& catalog,
          ledger::Ledger* ledger, std::shared_ptr<usage::Usage> usage, CaptureOptions options)
      : runtime_(runtime),
        options_(std::move(options)),
        client_address_(options_.trusted_proxies),
        projects_(catalog.snapshot()),
        admission_(options_, std::move(usage)),
        refusals_(loop, runtime, log),
        browser_(loop, runtime, catalog, admission_, refusals_, options_),
        turn_(loop, runtime, log, ledger, options_),
        v1_(options_, turn_, admission_, refusals_) {
    catalog.on_change([this, alive = alive_, &loop](std::shared_ptr<const catalog::Snapshot> s) {
      loop.post([this, alive, s = std::move(s)]() mutable {
        if (*alive) projects_ = std::move(s);
      });
    });
  }
  ~Service() override { *alive_ = false; }

  size_t body_bytes_max(const wire::Request& head) const override {
    switch (route_of(inner_path(head.path).value_or(""))) {
      case Route::kReplay: return options_.replay_body_bytes_max;
      case Route::kV1:
      case Route::kV1Ai: return options_.v1_body_bytes_max;
      case Route::kAi: return options_.ai_parts_bytes_max / 10 * 11;  // boundaries and headers too
      default: return options_.body_bytes_max;
    }
  }
  void set_ready(bool ready) override { ready_ = ready; }
  void when_idle(runtime::Task done) override {
    refusals_.flush();  // who asks is about to stop
    turn_.when_idle(std::move(done));
  }

  CaptureStats stats() const override {
    const CaptureMetrics& m = metrics();
    return {m.requests.value(), m.events.value(), m.refused.value(), m.latency.quantile_us(0.5),
            m.latency.quantile_us(0.99)};
  }

  void handle(wire::Request& request, wire::Responder responder) override {
    AnswerContext context{std::string(request.find("origin")), false, {}};
    const auto inner = inner_path(request.path);
    if (!inner) return answer_text(responder, context, 404, "there is nothing here");
    request.path = *inner;
    const Route route = route_of(request.path);
    if (request.method == "OPTIONS" && !origin_known(*projects_, context.origin)) {
      context.origin.clear();
    }
    if (route == Route::kUnknown && browser_.handle(request, responder, context, *projects_)) {
      return;
    }
    // Whatever the path: a browser must be allowed to read the answer, also when it is a 404.
    if (request.method == "OPTIONS") {
      return answer_preflight(responder, context, request,
                              is_v1(route) ? v1::kMethods : "GET,POST,OPTIONS");
    }
    const bool asks = route == Route::kReadiness || route == Route::kLiveness ||
                      route == Route::kMetrics || route == Route::kUnknown;
    if (!asks) context.request = turn_.next_request(request.received_us / 1000);
    if (is_v1(route)) {
      return v1_.handle(
          request, std::move(responder),
          {ready_, context.origin, client_address_.of(request), *projects_,
           route == Route::kV1Ai ? Endpoint::kAi : Endpoint::kEvents, context.request.number});
    }
    const bool get = request.method == "GET" || request.method == "HEAD";
    if (!get && request.method != "POST") {
      return answer_text(responder, context, 405, "use POST (or GET with ?data=)");
    }
    switch (route) {
      case Route::kEvents:
      case Route::kLegacyEvents:
      case Route::kReplay:
      case Route::kAiBatch:
      case Route::kEngage: return events(request, std::move(responder), context, route);
      case Route::kAi: return ai_event(request, std::move(responder), context);
      case Route::kBlackHole: return answer_ok(responder, context);
      case Route::kReadiness:
        if (!ready_) return answer_unavailable(responder, context, "not ready");
        return answer_text(responder, context, 200, "capture");
      case Route::kLiveness: return answer_text(responder, context, 200, "alive");
      case Route::kMetrics: return answer_text(responder, context, 200, render_metrics());
      case Route::kV1:
      case Route::kV1Ai:
      case Route::kUnknown: break;
    }
    answer_text(responder, context, 404, "there is nothing here; events go to /batch/ or /i/v0/e/");
  }

 private:
  /// The path below the configured prefix; none: nothing answers there.
  std::optional<std::string_view> inner_path(std::string_view path) const {
    const std::string& prefix = options_.path_prefix;
    if (prefix.empty()) return path;
    if (path.starts_with(prefix)) {
      const std::string_view below = path.substr(prefix.size());
      if (below.empty()) return "/";
      if (below.front() == '/') return below;
    }
    // Who runs the process asks these on the plain path.
    const bool operators = path == "/_readiness" || path == "/_liveness" || path == "/metrics";
    if (options_.path_prefix_only && !operators) return std::nullopt;
    return path;
  }

  void events(wire::Request& request, wire::Responder responder, AnswerContext& context,
              Route route) {
    if (!may_take(request, responder, context)) return;
    auto body =
        decoder_.decode({request.query, request.find("content-type"),
                         request.find("content-encoding"), request.body, options_.decoded_bytes_max,
                         route == Route::kLegacyEvents || route == Route::kEngage});
    if (!body) return refuse(request, responder, context, body.error(), decoder_.last_text());
    context.beacon = body->beacon;
    if (route == Route::kReplay) return replay(request, std::move(responder), context, *body);
    const ParseRules rules{options_.distinct_id_chars_max, options_.token_bytes_max,
                           options_.events_per_request_max, route == Route::kEngage};
    const auto batch = parser_.parse(body->text, rules);
    if (!batch) return refuse(request, responder, context, batch.error(), body->text);
    accept(request, std::move(responder), context, **batch, body->sent_at_ms,
           route == Route::kAiBatch ? Endpoint::kAi : Endpoint::kEvents, {});
    parser_.clear();
    decoder_.trim();
    heatmap_split_.trim();
  }

  /// False: answered already, because nothing can be taken now or this is too much.
  bool may_take(const wire::Request& request, wire::Responder& responder,
                const AnswerContext& context) {
    metrics().requests.add();
    metrics().bytes.add(request.body->size());
    if (!ready_) {
      answer_unavailable(responder, context, "starting or stopping");
      return false;
    }
    if (const Status room = turn_.room(); !room) {
      metrics().unavailable.add();
      answer_unavailable(responder, context, room.error().message);
      return false;
    }
    if (request.body_too_large) {
      refuse(request, responder, context,
             {413, "payload_too_large", "the body is larger than this server takes"}, {});
      return false;
    }
    return true;
  }

  /// `/i/v0/ai`: one event in parts, its key in a header.
  void ai_event(const wire::Request& request, wire::Responder responder, AnswerContext& context) {
    if (request.method != "POST") return answer_text(responder, context, 405, "use POST");
    if (!may_take(request, responder, context)) return;
    const auto token = v1::read_bearer(request, options_.token_bytes_max);
    if (!token) return refuse(request, responder, context, token.error(), {});
    restrict_origin(context, projects_->find_token(*token));
    const auto text = ai_body_.decode(request, options_.ai_parts_bytes_max);
    if (!text) return refuse(request, responder, context, text.error(), {});
    ParseRules rules{options_.distinct_id_chars_max, options_.token_bytes_max, 1, false};
    rules.token = *token;
    const auto batch = parser_.parse(*text, rules);
    if (!batch) return refuse(request, responder, context, batch.error(), *text);
    accept(request, std::move(responder), context, **batch, std::nullopt, Endpoint::kAi,
           {std::make_unique<ai::PartsReply>(context, ai_body_.accepted_parts()),
            std::make_unique<OverQuota>(OverQuota::Of::kAiEvent, context)});
    parser_.clear();
    ai_body_.trim();
  }

  void accept(const wire::Request& request, wire::Responder responder, AnswerContext& context,
              const ParsedBatch& batch, std::optional<int64_t> sent_at_ms, Endpoint endpoint,
              Replies replies) {
    if (batch.sent_at) {
      if (const auto parsed = event::parse_timestamp_ms(*batch.sent_at)) sent_at_ms = parsed;
    }
    const int64_t now_ms = request.received_us / 1000;
    const catalog::Project* project = projects_->find_token(batch.token);
    restrict_origin(context, project);
    const uint32_t number = context.request.number;
    if (const Status room = turn_.room(project, request.body->size()); !room) {
      metrics().unavailable.add();
      return answer_unavailable(responder, context, room.error().message);
    }
    auto waiting = make_recycled<Waiting>();
    waiting->received_us = request.received_us;
    const std::string_view ip = client_address_.of(request);
    const auto too_large = [this](const ParsedEvent& e) {
      return e.raw.size() > options_.message_bytes_max ||
             !Turn::fits(e.raw.size() + e.event.size() + e.session_id.size());
    };
    if (batch.events.size() == 1 && too_large(batch.events.front())) {
      return refuse(request, responder, context,
                    {413, kTooLarge, "the event is larger than this server takes"},
                    batch.events.front().raw, project);
    }
    waiting->responder = std::move(responder);
    waiting->context = std::move(context);
    waiting->reply = std::move(replies.taken);
    turn_.begin(waiting, project);
    const auto id_of = [&batch](size_t i) { return batch.events[i].distinct_id; };
    for (size_t i = 0; i < batch.events.size(); i++) {
      admission_.foresee(project, batch.token, i, batch.events.size(), id_of);
      const ParsedEvent& e = batch.events[i];
      event::RawRecord record = make_record(e, batch, sent_at_ms, now_ms);
      record.project = project == nullptr ? ProjectId{} : project->id;
      record.request = number;
      record.ip = e.internal ? "127.0.0.1" : ip;
      if (too_large(e)) {
        // One giant among others is dropped, so that its neighbours get through; its name may be
        // what is too large.
        record.disposition = event::Disposition::kDrop;
        record.reason = kTooLarge;
        record.data = record.session_id = {};
        if (record.event.size() > kNameKept) record.event = "(a name that is too large)";
      } else if (e.heatmap && e.event != kHeatmapEvent) {
        add_with_heatmap(waiting, project, record, endpoint);
        continue;
      }
      const Admitted admitted = admission_.admit(project, record, endpoint);
      turn_.add(waiting, record, admitted);
      if (asks_to_pause(admitted.tag) && replies.over_quota) {
        waiting->reply = std::move(replies.over_quota);
      }
    }
    turn_.end(waiting);
  }

  /// An event that carries heatmap data becomes two.
  void add_with_heatmap(const std::shared_ptr<Waiting>& waiting, const catalog::Project* project,
                        event::RawRecord& record, Endpoint endpoint) {
    heatmap_split_.split(record.data, record.distinct_id);
    event::RawRecord heatmap = record;
    record.data = heatmap_split_.rest();
    record.skip_heatmap = true;
    const Admitted admitted = admission_.admit(project, record, endpoint);
    turn_.add(waiting, record, admitted);
    if (asks_to_pause(admitted.tag) || admitted.tag == kNotHistorical) return;
    heatmap.uuid = HeatmapSplit::uuid_of(record.uuid);
    heatmap.event = kHeatmapEvent;
    heatmap.data = heatmap_split_.heatmap();
    heatmap.historical = record.historical;
    turn_.add(waiting, heatmap, admission_.admit_part(project, heatmap, admitted, endpoint));
  }

  /// A request of `/s/` becomes one message.
  void replay(const wire::Request& request, wire::Responder responder, AnswerContext& context,
              const DecodedBody& body) {
    const auto parsed =
        replay_parser_.parse(body.text, {options_.distinct_id_chars_max, options_.token_bytes_max,
                                         options_.events_per_request_max});
    if (!parsed) return refuse(request, responder, context, parsed.error(), body.text);
    const ReplayRequest& r = **parsed;
    const catalog::Project* project = projects_->find_token(r.token);
    restrict_origin(context, project);
    const int64_t now_ms = request.received_us / 1000;
    event::TimestampInput time;
    time.timestamp = r.timestamp;
    time.sent_at_ms = body.sent_at_ms;
    if (r.sent_at) {
      if (const auto sent = event::parse_timestamp_ms(*r.sent_at)) time.sent_at_ms = sent;
    }
    time.now_ms = now_ms;
    time.rule = options_.skew_rule;
    std::string data;
    append_replay_data(r, snapshot_library(r, request.find("user-agent")), data);
    event::RawRecord record = replay_record(r);
    record.uuid = r.uuid ? *r.uuid : fresh_uuid(now_ms);
    record.now_ms = now_ms;
    record.sent_at_ms = time.sent_at_ms;
    record.timestamp_ms = event::corrected_timestamp_ms(time);
    record.ip = client_address_.of(request);
    record.request = context.request.number;
    record.data = data;
    if (event::encoded_size(record) > options_.replay_message_bytes_max) {
      return refuse(request, responder, context,
                    {413, kTooLarge, "the recording's part is larger than allowed"}, body.text,
                    project);
    }
    if (project != nullptr) record.project = project->id;
    if (const Status room = turn_.room(project, request.body->size()); !room) {
      metrics().unavailable.add();
      return answer_unavailable(responder, context, room.error().message);
    }
    auto waiting = make_recycled<Waiting>();
    waiting->received_us = request.received_us;
    waiting->responder = std::move(responder);
    waiting->context = std::move(context);
    const Admitted admitted = admission_.admit(project, record, Endpoint::kRecordings);
    if (admitted.tag == kOverQuota) {
      waiting->reply = std::make_unique<OverQuota>(OverQuota::Of::kRecordings, waiting->context);
    }
    turn_.begin(waiting, project);
    turn_.add(waiting, record, admitted);
    turn_.end(waiting);
    replay_parser_.clear();
    decoder_.trim();
  }

  event::RawRecord make_record(const ParsedEvent& e, const ParsedBatch& batch,
                               std::optional<int64_t> sent_at_ms, int64_t now_ms) {
    event::RawRecord record;
    record.uuid = e.uuid ? *e.uuid : fresh_uuid(now_ms);
    record.now_ms = now_ms;
    record.sent_at_ms = sent_at_ms;
    event::TimestampInput time;
    time.timestamp = e.timestamp;
    time.offset_ms = e.offset_ms;
    time.sent_at_ms = sent_at_ms;
    time.ignore_sent_at = e.ignore_sent_at;
    time.now_ms = now_ms;
    time.rule = options_.skew_rule;
    record.timestamp_ms = event::corrected_timestamp_ms(time);
    record.token = batch.token;
    record.distinct_id = e.distinct_id;
    record.event = e.event;
    record.session_id = e.session_id;
    record.data = e.raw;
    record.cookieless = e.cookieless;
    record.engage = e.engage;
    record.historical = batch.historical;
    return record;
  }

  Uuid fresh_uuid(int64_t now_ms) {
    std::array<uint8_t, 10> random{};
    runtime_.random().fill(random);
    return Uuid::v7(now_ms, random);
  }

  /// Whose request this was, as far as it can be read.
  const catalog::Project* project_of(const wire::Request& request, std::string_view text) const {
    if (const auto* found = RefusalTally::project_in(text, *projects_)) return found;
    const auto token = v1::read_bearer(request, options_.token_bytes_max);
    return token ? projects_->find_token(*token) : nullptr;
  }

  /// Answers, counts, and records the uuids found in the text so that `trace` can tell.
  void refuse(const wire::Request& request, wire::Responder& responder,
              const AnswerContext& context, const Refusal& refusal, std::string_view text,
              const catalog::Project* project = nullptr) {
    metrics().refused.add();
    turn_.note_refused(request, refusal.status, refusal.tag, text, context.request.number);
    refusals_.note(project != nullptr ? project : project_of(request, text),
                   {refusal.tag, refusal.status, request.path, refusal.message});
    answer_text(responder, context, refusal.status, refusal.message);
  }

  runtime::Runtime& runtime_;
  CaptureOptions options_;
  wire::ClientAddress client_address_;
  std::shared_ptr<const catalog::Snapshot> projects_;
  BodyDecoder decoder_;
  EventParser parser_;
  ReplayParser replay_parser_;
  ai::AiBody ai_body_;
  HeatmapSplit heatmap_split_;
  Admission admission_;
  RefusalTally refusals_;
  Browser browser_;
  Turn turn_;
  v1::EventsEndpoint v1_;
  bool ready_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace

std::unique_ptr<CaptureService> CaptureService::make(runtime::Loop& loop, runtime::Runtime& runtime,
                                                     log::Log& log, catalog::Catalog& catalog,
                                                     ledger::Ledger* ledger,
                                                     std::shared_ptr<usage::Usage> usage,
                                                     CaptureOptions options) {
  return std::make_unique<Service>(loop, runtime, log, catalog, ledger, std::move(usage),
                                   std::move(options));
}

}  // namespace penstock::capture
