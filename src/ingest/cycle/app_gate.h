// AppGate: takes events through their project's apps before a cycle decides them.
//
// Stands between the records that a lane lends and a cycle. What needs apps is handed over in
// batches of one project, ahead of the cycle; a cycle gets the first records of each partition up
// to one whose answer is not there yet. So a lane whose next events wait holds back no other lane,
// and a cycle never waits. Answers are kept until their events are decided, so a cycle that is
// repeated finds the same; after a crash the apps are asked again and the log keeps one outcome
// (docs/decisions/0020-apps-in-ingest.md). Without enabled apps nothing is looked at. Ingest loop
// only.
#pragma once

#include <array>
#include <deque>
#include <map>
#include <memory>
#include <vector>

#include "ingest/cookieless_store.h"
#include "ingest/cycle/decider.h"
#include "ingest/event_apps.h"
#include "runtime/runtime.h"

namespace penstock::ingest {

struct AppGateOptions {
  size_t batch_events_max = 200;       // handed over at once
  size_t batch_bytes_max = 1U << 20;   // about
  size_t batches_per_project_max = 2;  // of a lane, at work
};

class AppGate {
 public:
  /// `apps` may be null: then nothing ever waits. `on_answers`: some lane may go on.
  AppGate(EventApps* apps, runtime::Runtime& runtime, const ledger::Ledger& ledger,
          CookielessStore* cookieless, AppGateOptions options, runtime::Task on_answers);
  ~AppGate() { *alive_ = false; }
  AppGate(const AppGate&) = delete;
  AppGate& operator=(const AppGate&) = delete;

  /// Events ahead of a cycle that are looked at, as a multiple of what it takes.
  static constexpr size_t kAhead = 2;
  bool looks(const catalog::Snapshot& snapshot) const {
    return apps_ != nullptr && (snapshot.any_apps || !lanes_are_idle());
  }
  /// The first `events_max` of the slices that can be decided, with the answers of their apps;
  /// none: the lane `waits`. kUnavailable and the like: the ledger's.
  struct Admitted {
    std::vector<InputSlice> slices;
    AppsAnswers answers;
  };
  Result<Admitted> admit(event::Lane lane, const std::vector<InputSlice>& slices,
                         const catalog::Snapshot& snapshot, size_t events_max);
  bool waits(event::Lane lane) const { return lane_of(lane).waits; }
  /// The lane has new records: some may be of a partition or project that does not wait.
  void look_again(event::Lane lane) { lane_of(lane).waits = false; }
  /// The records of the partition below `next` are decided.
  void forget(event::Lane lane, Partition partition, Offset next);

 private:
  struct Place {
    Partition partition;
    Offset offset;
    auto operator<=>(const Place&) const = default;
  };
  struct Waiting {
    Place place;
    std::string event, distinct_id;
  };
  struct Asked {
    Place place;
    std::string distinct_id;
  };
  struct ProjectQueue {
    std::shared_ptr<const catalog::Project> project;
    std::deque<Waiting> events;
    size_t batches = 0;  // at work
  };
  struct LaneState {
    std::map<Place, std::shared_ptr<const AppsAnswer>> answers;  // null: not there yet
    std::map<Partition, Offset> looked;                          // next to look at
    std::map<ProjectId, ProjectQueue> projects;
    bool waits = false;
  };
  struct Candidate;

  LaneState& lane_of(event::Lane lane) { return lanes_[static_cast<size_t>(lane)]; }
  const LaneState& lane_of(event::Lane lane) const { return lanes_[static_cast<size_t>(lane)]; }
  bool lanes_are_idle() const;
  Status look(event::Lane lane, const std::vector<InputSlice>& slices,
              const catalog::Snapshot& snapshot);
  void enqueue(event::Lane lane, Candidate& candidate);
  void hand_over(event::Lane lane);
  void hand_over(event::Lane lane, ProjectId project, ProjectQueue& queue);
  void take(event::Lane lane, ProjectId project, const std::vector<Asked>& asked,
            std::vector<AppsAnswer> answers);

  EventApps* apps_;
  runtime::Runtime& runtime_;
  const ledger::Ledger& ledger_;
  CookielessStore* cookieless_;
  AppGateOptions options_;
  runtime::Task on_answers_;
  ZoneDays zones_;
  std::array<LaneState, event::kLanes.size()> lanes_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace penstock::ingest
