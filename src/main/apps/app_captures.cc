#include "main/apps/app_captures.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "base/diag.h"
#include "base/json_writer.h"
#include "base/metrics.h"

namespace penstock::cli {
namespace {

Counter lost_metric{"penstock_app_captures_lost_total",
                    "Events that apps captured and that capture did not take."};

constexpr size_t kWaitingMax = 10'000, kBatchMax = 500;
constexpr int kAttemptsMax = 8;
constexpr auto kGather = std::chrono::milliseconds(50);
constexpr auto kPauseMax = std::chrono::milliseconds(10'000);
constexpr int64_t kAnswerMs = 10'000;

}  // namespace

void AppCaptures::serve(const Instance& instance) {
  const std::lock_guard lock(mutex_);
  instance_ = instance;
}

Status AppCaptures::add(ProjectId project, std::string event) {
  if (waiting_.size() >= kWaitingMax) {
    return fail(Code::kBusy, "too many events that apps captured are waiting");
  }
  waiting_.push_back({project, std::move(event)});
  if (sending_ > 0 || std::exchange(scheduled_, true)) return {};
  loop_.after(kGather, [this, alive = alive_] {
    if (*alive) send();
  });
  return {};
}

/// The first ones of one project, as one batch.
void AppCaptures::send() {
  scheduled_ = false;
  if (waiting_.empty() || sending_ > 0) return;
  std::optional<Instance> to;
  {
    const std::lock_guard lock(mutex_);
    to = instance_;
  }
  const ProjectId id = waiting_.front().project;
  const catalog::Project* project = catalog_.snapshot()->find(id);
  JsonWriter w;
  w.begin_object().field("api_key", project == nullptr ? "" : project->token);
  w.key("batch").begin_array();
  while (sending_ < std::min(waiting_.size(), kBatchMax) && waiting_[sending_].project == id) {
    w.raw(waiting_[sending_++].event);
  }
  const std::string body = w.end_array().end_object().take();
  if (!to || project == nullptr) return sent(fail(Code::kUnavailable, "capture is not served"));
  HttpCall call = capture_call(*to, "/batch/");
  call.method = "POST";
  call.timeout_ms = kAnswerMs;
  call.body = body;
  auto reply = std::make_shared<Result<HttpReply>>(fail(Code::kUnavailable, "not sent"));
  const Status submitted =
      runtime_.pool().submit([reply, call = std::move(call)] { *reply = http(call); }, loop_,
                             [this, alive = alive_, reply] {
                               if (*alive) sent(*reply);
                             });
  if (!submitted) sent(std::unexpected(submitted.error()));
}

void AppCaptures::sent(const Result<HttpReply>& reply) {
  const bool taken = reply && reply->status == 200;
  const bool refused = reply && reply->status >= 400 && reply->status < 429;
  if (!taken && !refused && ++failures_ < kAttemptsMax) {
    sending_ = 0;
    scheduled_ = true;
    const auto pause = std::min(kPauseMax, kGather * (1 << failures_));
    loop_.after(pause, [this, alive = alive_] {
      if (*alive) send();
    });
    return;
  }
  if (!taken) {
    lost_metric.add(sending_);
    diag::warn("events that an app captured were not taken",
               {{"events", fmt::to_string(sending_)},
                {"error", reply ? fmt::format("capture answered {}", reply->status)
                                : reply.error().message}});
  }
  failures_ = 0;
  waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<ptrdiff_t>(sending_));
  sending_ = 0;
  send();
}

}  // namespace penstock::cli
