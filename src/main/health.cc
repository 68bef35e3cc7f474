#include "main/health.h"

#include <fmt/format.h>

#include "base/metrics.h"

namespace penstock::cli {
namespace {

constexpr const char* kText = "text/plain; charset=utf-8";

}  // namespace

void Health::add(std::string stage, Source source) {
  const std::lock_guard lock(mutex_);
  stages_.emplace_back(std::move(stage), std::move(source));
}

size_t Health::body_bytes_max(const wire::Request& /*head*/) const { return 0; }

wire::Response Health::readiness() const {
  wire::Response out;
  out.content_type = kText;
  const State state = state_;
  if (state == State::kStandingBy) {
    out.body = "standing by: another process decides\n";
    return out;
  }
  if (state != State::kRunning) {
    out.status = 503;
    out.body = state == State::kStarting ? "starting\n" : "stopping\n";
    return out;
  }
  const std::lock_guard lock(mutex_);
  for (const auto& [stage, source] : stages_) {
    const std::string why = source();
    if (!why.empty()) out.status = 503;
    out.body += fmt::format("{}: {}\n", stage, why.empty() ? "ready" : why);
  }
  return out;
}

void Health::handle(wire::Request& request, wire::Responder responder) {
  if (request.path == "/_readiness") return responder.send(readiness());
  wire::Response out;
  out.content_type = kText;
  out.body = "alive\n";
  if (request.path == "/metrics") {
    out.content_type = "text/plain; version=0.0.4";
    out.body = render_metrics();
  } else if (request.path != "/_liveness") {
    out.status = 404;
    out.body = "here are /_liveness, /_readiness and /metrics\n";
  }
  responder.send(std::move(out));
}

}  // namespace penstock::cli
