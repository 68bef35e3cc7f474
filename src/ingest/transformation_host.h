// TransformationHost: what Hog apps may call beside the library (contract delivery, section 6):
// geoipLookup, cleanNullValues, isKnownBotUserAgent and isKnownBotIp, the time and chance.
//
// Pure but for the runtime's clock and chance; one per run, any thread.
#pragma once

#include <span>
#include <string_view>

#include "apps/places.h"
#include "hog/machine.h"
#include "runtime/runtime.h"

namespace penstock::ingest {

class TransformationHost final : public hog::Host {
 public:
  /// Without `places` no address is known.
  TransformationHost(runtime::Runtime& runtime, const apps::Places* places)
      : runtime_(runtime), places_(places) {}

  int64_t now_ms() override { return runtime_.clock().wall_ms(); }
  int64_t clock_us() override { return runtime_.clock().mono_ns() / 1000; }
  double random() override {
    return static_cast<double>(runtime_.random().next() >> 11) * 0x1.0p-53;
  }
  Has has(std::string_view name) override;
  Result<hog::Value> call(hog::Heap& heap, std::string_view name,
                          std::span<const hog::Value> arguments) override;

 private:
  runtime::Runtime& runtime_;
  const apps::Places* places_;
};

/// By words that crawlers, monitors and headless browsers have in their user agents.
bool is_known_bot_user_agent(std::string_view user_agent);
/// By the IPv4 ranges that search engines say are their crawlers'.
bool is_known_bot_ip(std::string_view ip);

}  // namespace penstock::ingest
