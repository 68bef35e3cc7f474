#include "main/self_audit.h"

#include <fmt/format.h>

#include <chrono>

#include "base/diag.h"
#include "base/metrics.h"

namespace penstock::cli {
namespace {

LatencyHistogram visible_seconds{"penstock_self_audit_visible_seconds",
                                 "From sending an event of our own until SQL shows it."};
Counter failures_total{"penstock_self_audit_failures_total",
                       "Events of our own that did not become visible in time."};

constexpr std::string_view kProject = "Penstock's own checks";
constexpr auto kLook = std::chrono::milliseconds(100);
constexpr int64_t kAnswerMs = 10'000;
constexpr int64_t kMsNs = 1'000'000;

}  // namespace

SelfAudit::SelfAudit(runtime::Loop& loop, runtime::Runtime& runtime, catalog::Catalog& catalog,
                     store::EventStore& store,
                     std::function<HttpCall(std::string_view path)> to_capture,
                     SelfAuditOptions options)
    : loop_(loop),
      runtime_(runtime),
      catalog_(catalog),
      store_(store),
      to_capture_(std::move(to_capture)),
      options_(options) {
  last_.every_ms = options_.every_ms;
}

admin::SelfAuditStatus SelfAudit::last() const {
  const std::scoped_lock lock(mutex_);
  return last_;
}

void SelfAudit::wait() {
  if (options_.every_ms <= 0) return;
  loop_.after(std::chrono::milliseconds(options_.every_ms), [this, alive = alive_] {
    if (*alive) send();
  });
}

Result<catalog::Project> SelfAudit::project() {
  for (const catalog::Project& p : catalog_.snapshot()->projects) {
    if (p.name == kProject) return p;
  }
  return catalog_.create_project({std::nullopt, "self-audit", ProjectId{}}, std::string(kProject),
                                 "");
}

void SelfAudit::send() {
  const auto own = project();
  if (!own) return end("the project of our own could not be made: " + own.error().message);
  project_ = own->id;
  std::array<uint8_t, 10> bytes{};
  runtime_.random().fill(bytes);
  uuid_ = Uuid::v7(runtime_.clock().wall_ms(), bytes);
  began_ns_ = runtime_.clock().mono_ns();
  HttpCall call = to_capture_("/i/v0/e/");
  call.method = "POST";
  call.timeout_ms = kAnswerMs;
  call.body =
      fmt::format(R"({{"api_key":"{}","event":"self-audit","distinct_id":"penstock","uuid":"{}",)"
                  R"("properties":{{"$process_person_profile":false}}}})",
                  own->token, uuid_.text());
  auto reply = std::make_shared<Result<HttpReply>>(fail(Code::kUnavailable, "not sent"));
  const Status submitted =
      runtime_.pool().submit([reply, call = std::move(call)] { *reply = http(call); }, loop_,
                             [this, alive = alive_, reply] {
                               if (*alive) sent(*reply);
                             });
  if (!submitted) end(submitted.error().message);
}

void SelfAudit::sent(const Result<HttpReply>& reply) {
  if (!reply) return end("capture did not answer: " + reply.error().message);
  if (reply->status != 200) {
    return end(fmt::format("capture answered {}: {}", reply->status, reply->body));
  }
  // A store that is asked may never answer.
  loop_.after(std::chrono::milliseconds(options_.patience_ms),
              [this, alive = alive_, uuid = uuid_] {
                if (!*alive || uuid != uuid_) return;
                end(refusal_.empty() ? "it was acknowledged and SQL does not show it"
                                     : "SQL cannot be asked: " + refusal_);
              });
  refusal_.clear();
  look();
}

void SelfAudit::look() {
  store::Query query;
  query.id = "self-audit-" + uuid_.text();
  query.project = project_;
  query.sql = fmt::format(
      "SELECT count() FROM events WHERE timestamp > now() - INTERVAL 1 HOUR AND uuid = '{}'",
      uuid_.text());
  query.format = store::QueryFormat::kCsvWithNames;
  store_.query(std::move(query), [this, alive = alive_, uuid = uuid_](auto answer) {
    if (!*alive || uuid != uuid_) return;
    if (answer && answer->body.ends_with("\n1\n")) return end("");
    refusal_ = answer ? "" : answer.error().message;
    loop_.after(kLook, [this, alive, uuid] {
      if (*alive && uuid == uuid_) look();
    });
  });
}

void SelfAudit::end(std::string error) {
  const int64_t taken_ns = runtime_.clock().mono_ns() - began_ns_;
  uuid_ = {};  // what comes later of this one is not heard
  if (error.empty()) {
    visible_seconds.record_us(taken_ns / 1000);
  } else {
    failures_total.add();
    diag::warn("an event of our own did not become visible", {{"error", error}});
  }
  {
    const std::scoped_lock lock(mutex_);
    last_.at_ms = runtime_.clock().wall_ms();
    last_.audits++;
    if (error.empty()) {
      last_.visible_ms = taken_ns / kMsNs;
    } else {
      last_.failures++;
    }
    last_.last_error = std::move(error);
  }
  wait();
}

}  // namespace penstock::cli
