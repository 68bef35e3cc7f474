// Deliver: the stage that calls apps for events that are decided: onEvent, composeWebhook and
// exportEvents.
//
// Reads the processed topic at its own pace (group kConsumerGroup) and puts every event that an app
// wants into that app's queue, in the same write as the position that it has read to. Calls are
// made from the queues: an event is called at least once for each function, tried again by the
// plugin contract's rules, and then given up; a queue that is full takes no more. What is given up
// is in the app's counts and log and among the event's attempts. So a destination that is away and
// an app that is slow cost themselves only (docs/decisions/0024-delivery-to-apps.md).
//
// Threads: one loop; `stats`, `counts` and `attempts` from any thread. Failure: reading and writing
// are repeated with a growing delay, nothing else notices.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "apps/apps.h"
#include "catalog/catalog.h"
#include "event/json_fields.h"
#include "kv/key_value.h"
#include "log/log.h"
#include "runtime/runtime.h"

namespace penstock::deliver {

inline constexpr std::string_view kConsumerGroup = "deliver";

/// A function of an app that is called for an event.
enum class Method : uint8_t { kOnEvent = 0, kComposeWebhook = 1, kExportEvents = 2 };
inline constexpr size_t kMethods = 3;
std::string_view method_name(Method method);  // "onEvent", …

struct DeliverOptions {
  size_t fetch_bytes_max = 1U << 20;  // looked at in one turn of the loop
  int64_t pause_ms = 200;             // between looks when little arrives
  int64_t checkpoint_ms = 2000;
  int64_t retry_ms_min = 100, retry_ms_max = 10'000;  // of reading and writing
  uint64_t queue_events_max = 200'000;                // of one function of one app
  uint64_t queue_bytes_max = 512U << 20;
  int64_t attempt_ms = 5000;           // before the second attempt; doubled for each further one
  int64_t export_attempt_ms = 3000;    // the same of exportEvents: 3·2^(n+1) s
  int64_t keep_ms = 7LL * 86'400'000;  // how long attempts are remembered
  uint64_t attempts_max = 2'000'000;   // that are remembered
  std::string site_url;                // in persons' links
};

/// One call of an app for one event, or why there was none.
struct Attempt {
  apps::ConfigId config = 0;
  Method method = Method::kOnEvent;
  int64_t at_ms = 0;
  int number = 0;  // 1 for the first; 0: it was not called
  bool ok = false;
  int64_t next_ms = 0;  // of one that failed: when it is tried again; 0: it is given up
  std::string error{};
};

/// Of one function of one configuration, since it was installed.
struct DeliveryCounts {
  apps::ConfigId config = 0;
  Method method = Method::kOnEvent;
  uint64_t successes = 0, successes_on_retry = 0, failures = 0;
  uint64_t waiting = 0;  // in its queue now
};

struct DeliverStats {
  uint64_t events = 0;  // put into queues
  uint64_t lag_records = 0, waiting = 0;
  std::string last_error;  // empty while healthy
};

/// An event whose filters are to be asked.
struct Upcoming {
  const catalog::EnabledApp* app = nullptr;
  std::string_view properties;
};

/// What the stage is given by who knows it.
struct DeliverHooks {
  /// Makes ready what `wants` has to know of events and cannot wait for; `wants` is asked of them
  /// within `then`, on the loop. An error: they are read again, later and later. Empty: it knows.
  std::function<void(const std::vector<Upcoming>&,
                     std::move_only_function<void(const Status&)> then)>
      look_up{};
  /// Whether a configuration's filters let the event through; on the loop.
  std::function<bool(const catalog::EnabledApp&, const event::JsonFields&)> wants{};
  /// A line of an app's log; on the loop.
  std::function<void(apps::LogEntry)> log{};
};

class Deliver {
 public:
  static std::unique_ptr<Deliver> make(runtime::Loop& loop, runtime::Runtime& runtime,
                                       log::Log& log, catalog::Catalog& catalog, apps::Apps& apps,
                                       std::unique_ptr<kv::KeyValue> state, DeliverHooks hooks,
                                       DeliverOptions options);
  virtual ~Deliver() = default;
  virtual Status start() = 0;
  /// Saves the positions, then runs `done`. Calls under way are made again after the next start.
  virtual void stop(runtime::Task done) = 0;
  /// The catalog has changed. On the loop.
  virtual void configure() = 0;
  virtual DeliverStats stats() const = 0;
  virtual std::vector<DeliveryCounts> counts() const = 0;
  /// Of one event, in their order.
  virtual Result<std::vector<Attempt>> attempts(const Uuid& event) const = 0;
};

}  // namespace penstock::deliver
