// CookielessStore: what cookieless visitors need kept: a salt per day, sessions, identify counts.
//
// A salt is made when its day is first asked for, is durable before anybody sees it, and is
// forgotten when its day is over everywhere (D+86 h), together with everything that hangs on it; it
// is never in the log. Where several processes decide it is made in what they share (SharedSalts).
// Sessions and identifies are derived from `processed` like persons: applied with positions, caught
// up at start. Losing the whole store costs visitors their identity of those days, nothing else.
// Any thread; one mutex inside. Failure: the KeyValue's.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "base/siphash.h"
#include "catalog/shared_salts.h"
#include "event/processed_record.h"
#include "kv/key_value.h"
#include "log/log.h"
#include "runtime/runtime.h"

namespace penstock::ingest {

/// A visitor of one day: the hash of what their browser shows, under that day's salt.
struct CookielessVisitor {
  ProjectId project;
  int32_t day = 0;  // days since 1970 of the calendar date where the visitor is
  Uuid hash;
  auto operator<=>(const CookielessVisitor&) const = default;
};

struct CookielessSession {
  Uuid id;
  int64_t last_activity_ms = 0;
  uint64_t version = 0;
};

/// Identifies kept by name for one visitor; of more, the first ones are forgotten.
inline constexpr size_t kCookielessIdentifiesMax = 1000;

/// Whether events of a day are taken at this time (contract section 9, ERRATA A9).
bool cookieless_day_is_open(int32_t day, int64_t now_ms);
/// Whether it never will be again.
bool cookieless_day_is_over(int32_t day, int64_t now_ms);

class CookielessStore {
 public:
  virtual ~CookielessStore() = default;

  virtual Result<SipBytes> salt(int32_t day) = 0;
  virtual Result<std::optional<CookielessSession>> session(
      const CookielessVisitor& visitor) const = 0;
  /// Uuids of `$identify` events, in order.
  virtual Result<std::vector<Uuid>> identifies(const CookielessVisitor& visitor) const = 0;

  /// Repeating is harmless. Positions are written with the next change or checkpoint.
  virtual Status apply(const std::vector<event::CookielessChange>& changes,
                       const std::vector<log::Position>& applied) = 0;
  using Done = std::move_only_function<void(Status)>;
  /// Catches up with the log after a restart, then runs `done` on `home`.
  virtual void recover(log::Log& log, runtime::Loop& home, Done done) = 0;
  /// Forgets days that are over, makes the rest durable, commits kGroupCookieless; blocks.
  virtual Status checkpoint(log::Log& log) = 0;
};

/// `salts`: of several processes; null: made here.
std::unique_ptr<CookielessStore> make_cookieless_store(
    std::unique_ptr<kv::KeyValue> kv, runtime::Runtime& runtime,
    std::unique_ptr<catalog::SharedSalts> salts = nullptr);

}  // namespace penstock::ingest
