// TerminalHost: what Hog programs get from `penstock hog`: the clock and chance, nothing else.
// RunHost: that, what transformations may call, and the guarded fetch of `penstock hog run`.
#pragma once

#include <chrono>
#include <memory>
#include <random>
#include <set>
#include <span>
#include <string>
#include <string_view>

#include "apps/fetcher.h"
#include "apps/places.h"
#include "base/result.h"
#include "hog/compiler.h"
#include "hog/machine.h"
#include "ingest/transformation_host.h"
#include "runtime/real_runtime.h"

namespace penstock::cli {

class TerminalHost : public hog::Host {
 public:
  int64_t now_ms() override {
    return std::chrono::duration_cast<std::chrono::milliseconds>(
               std::chrono::system_clock::now().time_since_epoch())
        .count();
  }
  int64_t clock_us() override {
    return std::chrono::duration_cast<std::chrono::microseconds>(
               std::chrono::steady_clock::now().time_since_epoch())
        .count();
  }
  double random() override { return std::uniform_real_distribution<double>(0, 1)(random_); }

 private:
  std::mt19937_64 random_{std::random_device{}()};
};

/// Asynchronous functions are answered by `perform`, which blocks.
class RunHost final : public TerminalHost {
 public:
  /// Hosts that fetch may reach although they are private, and a MaxMind database; both may be "".
  static Result<std::unique_ptr<RunHost>> make(std::string_view allow_private_hosts,
                                               const std::string& geoip_file);
  ~RunHost() override;

  Has has(std::string_view name) override;
  Result<hog::Value> call(hog::Heap& heap, std::string_view name,
                          std::span<const hog::Value> arguments) override;
  /// Does what the program waits for; an error ends it.
  Result<hog::Value> perform(hog::Heap& heap, const hog::Outcome& suspended);

  /// What the compiler may take for known beside the library.
  static std::set<std::string, std::less<>> functions();

 private:
  RunHost() = default;
  Result<hog::Value> fetch(hog::Heap& heap, std::span<const hog::Value> arguments);

  apps::AllowedHosts allowed_;
  std::unique_ptr<apps::Places> places_;
  std::unique_ptr<runtime::Runtime> runtime_;
  std::unique_ptr<ingest::TransformationHost> transformations_;
  std::unique_ptr<runtime::LoopThread> thread_;  // made when something is fetched
  std::unique_ptr<apps::Fetcher> fetcher_;
};

}  // namespace penstock::cli
