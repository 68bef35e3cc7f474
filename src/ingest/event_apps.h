// EventApps: the seam between ingest and whatever runs a project's apps.
//
// Ingest hands over events of one project and gets one answer for each. What runs them bounds the
// time of a batch itself: an answer always comes, and an app that did not make it in time has
// failed. Ingest loop only; `done` runs on it, later, exactly once.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "catalog/catalog.h"

namespace penstock::ingest {

/// What the apps of a project made of one event.
struct AppsAnswer {
  enum class Fate : uint8_t {
    kUnchanged,
    kChanged,     // to `event`
    kDropped,     // one of them answered nothing
    kQuarantined  // what they made of it is no event, `why` is a tag
  };
  Fate fate = Fate::kUnchanged;
  std::string event;   // JSON object
  std::string report;  // what each did: Outcome::apps; empty: none was asked
  std::string why;
  std::string asked_id{};  // the distinct id they were shown; ingest's own note
};
/// Of one lane's records, by partition and offset.
using AppsAnswers = std::map<std::pair<int32_t, int64_t>, std::shared_ptr<const AppsAnswer>>;

class EventApps {
 public:
  using Done = std::move_only_function<void(std::vector<AppsAnswer>)>;

  virtual ~EventApps() = default;
  /// False: events of this project pass without being asked for.
  virtual bool transforms(const catalog::Project& project) const = 0;
  /// `events` as the plugin contract's section 5 shapes them; owned until `done`.
  virtual void run(const catalog::Project& project, std::vector<std::string> events, Done done) = 0;
};

}  // namespace penstock::ingest
