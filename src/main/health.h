// Health: whether the stages of this process do their work, for whoever starts and stops processes.
//
// GET /_liveness answers 200 while the process answers at all; /_readiness 200 while every stage
// here is ready, else 503, with a line for each stage; /metrics the Prometheus page. No secrets, no
// sessions. A process that stands by for another is ready: it does what it is there for. Sources
// are asked on the server's loop; the rest may be called anywhere.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "wire/http.h"

namespace penstock::cli {

class Health : public wire::Handler {
 public:
  /// Answers why the stage is not ready; empty: it is.
  using Source = std::function<std::string()>;
  void add(std::string stage, Source source);
  void standing_by() { state_ = State::kStandingBy; }
  void started() { state_ = State::kRunning; }
  /// From now on nothing is ready: a balancer sends nobody here any more.
  void stopping() { state_ = State::kStopping; }

  size_t body_bytes_max(const wire::Request& head) const override;
  void handle(wire::Request& request, wire::Responder responder) override;

 private:
  enum class State : uint8_t { kStarting, kStandingBy, kRunning, kStopping };

  wire::Response readiness() const;

  mutable std::mutex mutex_;
  std::vector<std::pair<std::string, Source>> stages_;
  std::atomic<State> state_{State::kStarting};
};

}  // namespace penstock::cli
