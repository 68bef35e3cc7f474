// Cookieless: who a visitor without any cookie is, for a day (contract section 9, ERRATA A9, B14).
//
// Rewrites the ids of events that carry `$cookieless_mode` to a hash of what the browser shows and
// the day's salt, and takes off what was hashed. One CookielessStep serves one cycle: it reads
// sessions and identify counts from the store, keeps what changes, and `changes` are written with
// the cycle, so that the same events give the same ids wherever batches end and after any crash.
// What cannot be hashed never goes on: dropped, or quarantined when the fault is ours. Ingest loop
// only.
#pragma once

#include <map>
#include <vector>

#include "ingest/cookieless_store.h"
#include "ingest/steps/cookieless_day.h"
#include "ingest/steps/item.h"

namespace penstock::ingest {

inline constexpr std::string_view kCookielessSentinel = "$posthog_cookieless";

/// What a browser shows of itself.
struct CookielessTraits {
  std::string ip, domain, agent, extra{};
};
/// `n`: how often this visitor has identified before.
Uuid cookieless_hash(const SipBytes& salt, ProjectId project, const CookielessTraits& traits,
                     int64_t n);
std::string cookieless_distinct_id(const Uuid& hash);

class CookielessStep {
 public:
  /// `store` may be null: then every such event is quarantined.
  CookielessStep(CookielessStore* store, ZoneDays& zones, int64_t now_ms, Warnings& warnings)
      : store_(store), zones_(zones), now_ms_(now_ms), warnings_(warnings) {}

  /// After sanitise. Nothing happens to other events.
  Verdict run(Item& item);

  /// The id whose person `run` will ask for; nullopt: none, or it cannot be told yet. A guess for
  /// reading ahead: an identify of the same batch makes it wrong, which costs a read of its own.
  std::optional<std::string> expected_id(const Item& item);

  struct Change {
    Partition partition;
    event::CookielessChange change;
  };
  std::vector<Change> changes() const;

 private:
  struct Inputs;
  struct Session {
    CookielessSession now;
    bool changed = false;
    Partition partition;
  };
  struct Identifies {
    std::vector<Uuid> all;
    std::vector<Uuid> added;
    Partition partition;
  };

  Verdict drop(const Item& item, std::string_view type);
  std::optional<Verdict> read(const Item& item, Inputs& out);
  Status rewrite(Item& item, const Inputs& in);
  Status make_stateful(Item& item, const Inputs& in, const Uuid& base);
  Result<Identifies*> identifies(const CookielessVisitor& visitor);
  Result<Uuid> session_of(const Item& item, const Inputs& in, const Uuid& hash);

  CookielessStore* store_;
  ZoneDays& zones_;
  int64_t now_ms_;
  Warnings& warnings_;
  std::map<CookielessVisitor, Session> sessions_;
  std::map<CookielessVisitor, Identifies> identifies_;
};

}  // namespace penstock::ingest
