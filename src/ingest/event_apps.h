// EventApps: the seam between ingest and whatever runs a project's apps.
//
// Ingest hands over events of one project and gets one answer for each. What runs them bounds the
// time of a batch itself: an answer always comes, and an app that did not make it in time has
// failed. Ingest loop only; `done` runs on it, later, exactly once, `waits` perhaps before it.
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
    kChanged,      // to `event`
    kDropped,      // one of them answered nothing
    kQuarantined,  // what they made of it is no event, `why` is a tag
    kSetAside,     // not asked here, where others' events wait behind it: it goes round (detour.h)
  };
  Fate fate = Fate::kUnchanged;
  std::string event;       // JSON object
  std::string report;      // what each did: Outcome::apps; empty: none was asked
  std::string why;         // of kQuarantined; of kDropped when no app did it
  std::string asked_id{};  // the distinct id they were shown; ingest's own note
};
/// Of one lane's records, by partition and offset.
using AppsAnswers = std::map<std::pair<int32_t, int64_t>, std::shared_ptr<const AppsAnswer>>;

class EventApps {
 public:
  using Done = std::move_only_function<void(std::vector<AppsAnswer>)>;
  /// Told within some fifty milliseconds, perhaps again: the answer will not come soon, and nobody
  /// else's event should wait behind these.
  using Waits = std::function<void()>;

  virtual ~EventApps() = default;
  /// False: events of this project pass without being asked for.
  virtual bool transforms(const catalog::Project& project) const = 0;
  /// `events` as the plugin contract's section 5 shapes them; owned until `done`.
  virtual void run(const catalog::Project& project, std::vector<std::string> events, Done done,
                   Waits waits) = 0;
  /// The project's apps let their events wait lately: where others' events stand behind them they
  /// should not be asked.
  virtual bool goes_round(const catalog::Project&) const { return false; }

  using DryDone = std::move_only_function<void(AppsAnswer)>;
  /// What `run` would make of the event now. Nothing is left behind: no counts, log lines or
  /// requests; the report has apps that are passed by too, each with its `why`.
  virtual void dry_run(const catalog::Project& project, std::string event, DryDone done) {
    static_cast<void>(project), static_cast<void>(event);
    done({});
  }
};

}  // namespace penstock::ingest
