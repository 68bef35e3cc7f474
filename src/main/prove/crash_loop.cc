#include "main/prove/crash_loop.h"

#include <fmt/format.h>

#include <chrono>
#include <filesystem>
#include <random>
#include <thread>

#include "main/prove/audit.h"
#include "main/prove/clients.h"
#include "main/prove/server.h"

namespace penstock::cli::prove {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kReadyMax{60'000}, kStopMax{30'000};
constexpr int64_t kPauseMs = 20'000;
constexpr std::string_view kKey = "phc_prove00000000000000000000000000000000000000";

double ms_since(steady_clock::time_point then) {
  return std::chrono::duration<double, std::milli>(steady_clock::now() - then).count();
}

class Loop {
 public:
  Loop(const CrashOptions& options, CrashProgress& progress)
      : options_(options),
        progress_(progress),
        random_(options.seed),
        server_(options.directory + "/data", std::string(kKey), flags()),
        clients_(options.seed, options.clients, std::string(kKey), early_key()) {
    report_.seed = options.seed;
    report_.directory = options.directory;
  }

  Result<CrashReport> run() {
    const auto begun = steady_clock::now();
    PENSTOCK_CHECK(server_.prepare());
    const Status went = lives();
    clients_.stop();
    server_.kill();
    take_over(clients_.promises());
    if (!went && report_.of(Check::kStarts).looked_at == 0) {
      return fail(went.error().code, fmt::format("crash loop of seed {} in {}: {}", options_.seed,
                                                 options_.directory, went.error().message));
    }
    // It worked before: whatever it is now, it is what somebody would have met.
    if (!went && report_.violations.empty()) {
      report_.of(Check::kStarts).wrong++;
      report_.violations.push_back(
          fmt::format("it did not go on after {} kills: {}", report_.kills, went.error().message));
    }
    report_.seconds = ms_since(begun) / 1000;
    return std::move(report_);
  }

 private:
  /// What sends events into every lane, and makes files change often.
  static std::vector<std::string> flags() {
    return {"--set", "capture.overflow_events_per_second=20",
            "--set", "capture.overflow_burst=40",
            "--set", "log.segment_bytes=33554432",
            "--set", "replay.flush_ms=300",
            "--set", "load.linger_ms=50"};
  }

  std::string early_key() const {
    return fmt::format("phc_prove_later_{}_{}", options_.seed, projects_.size());
  }

  milliseconds between(int64_t from, int64_t to) {
    return milliseconds(from + static_cast<int64_t>(random_() % static_cast<uint64_t>(to - from)));
  }

  Status lives() {
    while (report_.kills < options_.kills) {
      PENSTOCK_CHECK(life());
      if (report_.kills >= next_audit_ || report_.kills >= options_.kills) {
        PENSTOCK_CHECK(look());
        next_audit_ = report_.kills + options_.kills_per_audit;
        if (!report_.violations.empty()) return {};
      }
    }
    return {};
  }

  Status life() {
    PENSTOCK_CHECK(server_.spawn());
    const uint64_t luck = random_() % 100;
    if (luck < 20) {
      std::this_thread::sleep_for(between(0, 150));
      return die(Blow::kWhileStarting);
    }
    PENSTOCK_CHECK(ready());
    if (luck < 60) {
      std::this_thread::sleep_for(between(0, 400));
      return die(Blow::kSoonAfterStart);
    }
    if (luck < 80) {
      std::this_thread::sleep_for(between(400, 1'600));
      return die(Blow::kAtWork);
    }
    if (luck < 92) {
      for (int i = 0; i < 2; i++) {
        std::this_thread::sleep_for(between(300, 1'500));
        if (server_.kill_engine()) count(Blow::kEngineAlone);
      }
      std::this_thread::sleep_for(between(0, 500));
      return die(Blow::kEngineAway);
    }
    if (luck < 96) {
      std::this_thread::sleep_for(between(100, 400));
      server_.freeze(true);
      count(Blow::kStoodStill);
      std::this_thread::sleep_for(between(100, 1'000));
      server_.freeze(false);
      std::this_thread::sleep_for(between(0, 300));
      return die(Blow::kAfterStanding);
    }
    std::this_thread::sleep_for(between(100, 900));
    count(Blow::kAskedToStop);
    return server_.stop(kStopMax);
  }

  Status ready() {
    const auto begun = steady_clock::now();
    PENSTOCK_CHECK(server_.wait_ready(kReadyMax));
    report_.of(Check::kStarts).looked_at++;
    report_.longest_start_ms = std::max(report_.longest_start_ms, ms_since(begun));
    clients_.set_url(server_.instance().capture_url);
    progress_.acknowledged = clients_.acknowledged();
    return {};
  }

  Status die(Blow how) {
    if (const auto ended = server_.ended_by_itself()) return fail(Code::kUnavailable, *ended);
    server_.kill();
    count(how);
    return {};
  }

  void count(Blow how) {
    report_.blows[static_cast<size_t>(how)]++;
    if (!is_kill(how)) return;
    report_.kills++;
    progress_.kills++;
  }

  /// An audit: one more life, in which nobody dies.
  Status look() {
    PENSTOCK_CHECK(server_.spawn());
    PENSTOCK_CHECK(ready());
    if (!clients_.pause(kPauseMs)) {
      report_.of(Check::kAnswers).wrong++;
      report_.violations.push_back("a client got no acknowledgement from a healthy server");
      clients_.stop();
      for (const auto& s : clients_.promises().surprises) report_.violations.push_back(s);
      return {};
    }
    const std::string key = early_key();
    PENSTOCK_TRY(projects_.emplace_back(), make_project(server_.instance(), key));
    clients_.set_early_key(early_key());
    PENSTOCK_CHECK(audit(server_.instance(), projects_, clients_.promises(), report_));
    progress_.audits++;
    clients_.resume();
    std::this_thread::sleep_for(between(50, 300));
    return die(Blow::kAtWork);
  }

  void take_over(const Promises& promises) {
    for (size_t i = 0; i < kKinds; i++) {
      report_.acknowledged[std::string(kind_name(static_cast<Kind>(i)))] = promises.acknowledged[i];
    }
    report_.repeats = promises.repeats;
    report_.unanswered = promises.unanswered;
    report_.refused = promises.refused;
    report_.of(Check::kAnswers).looked_at = promises.answers;
  }

  CrashOptions options_;
  CrashProgress& progress_;
  std::mt19937_64 random_;
  std::vector<std::string> projects_{"1"};
  Server server_;
  Clients clients_;
  CrashReport report_;
  uint64_t next_audit_ = 5;
};

}  // namespace

Result<CrashReport> run_crash_loop(const CrashOptions& options, CrashProgress& progress) {
  std::error_code error;
  std::filesystem::create_directories(options.directory, error);
  if (error) {
    return fail(Code::kDenied, "cannot make " + options.directory + ": " + error.message());
  }
  auto report = Loop(options, progress).run();
  if (report && report->violations.empty()) {
    std::filesystem::remove_all(options.directory, error);
  }
  return report;
}

}  // namespace penstock::cli::prove
