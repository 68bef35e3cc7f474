// AppGate: takes events through their project's apps before a cycle decides them.
//
// Stands between the records that a lane lends and a cycle. What needs apps is handed over in
// batches of one project, ahead of the cycle; a cycle gets the first records of each partition up
// to one whose answer is not there yet. So a lane whose next events wait holds back no other lane,
// and a cycle never waits. What a project's apps do not answer within some fifty milliseconds is
// set aside where others' events stand behind it: the cycle puts it into quarantine, from where it
// is received again in the lane `overflow` (ingest/detour.h,
// docs/decisions/0033-neighbours-of-apps.md). Answers are kept until their events are decided, so a
// cycle that is repeated finds the same; after a crash the apps are asked again and the log keeps
// one outcome (docs/decisions/0020-apps-in-ingest.md). Without enabled apps nothing is looked at.
// Ingest loop only.
#pragma once

#include <array>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>
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
  size_t aside_events_max = 5000;      // not decided yet, of all projects; more wait
  size_t kept_answers_max = 5000;      // of what was asked before it was set aside
};

class AppGate {
 public:
  /// `goes_round`: events of the project that were set aside are not decided yet.
  using GoesRound = std::function<bool(ProjectId)>;
  /// `apps` may be null: then nothing ever waits. `on_answers`: some lane may go on.
  AppGate(EventApps* apps, runtime::Runtime& runtime, const ledger::Ledger& ledger,
          CookielessStore* cookieless, AppGateOptions options, runtime::Task on_answers,
          GoesRound goes_round = {});
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
  /// What its project's apps would make of the record now, with nothing left behind; null: none of
  /// them would be asked.
  void dry_run(const std::string& record, std::shared_ptr<const catalog::Snapshot> snapshot,
               std::move_only_function<void(std::shared_ptr<const AppsAnswer>)> done);
  /// The records of the partition below `next` are decided.
  void forget(event::Lane lane, Partition partition, Offset next);

 private:
  struct Place {
    Partition partition;
    Offset offset;
    auto operator<=>(const Place&) const = default;
  };
  /// What an event is known by in whatever lane it is met.
  struct Identity {
    ProjectId project;
    Uuid uuid;
    uint64_t content = 0;  // a hash of what the client sent
    auto operator<=>(const Identity&) const = default;
  };
  struct Waiting {
    Place place;
    Identity identity;
    std::string event, distinct_id;
  };
  struct Asked {
    Place place;
    Identity identity;
    std::string distinct_id;
  };
  struct Answer {
    Identity identity{};
    uint64_t distinct_id = 0;                   // a hash of it
    size_t bytes = 0;                           // of its record
    std::shared_ptr<const AppsAnswer> given{};  // null: not there yet
    bool asked = true;                          // false: it waits for its turn
  };
  /// Of an event that was asked before it was set aside: it is not asked again.
  struct Kept {
    std::shared_ptr<const AppsAnswer> given;            // null: not there yet
    std::optional<std::pair<event::Lane, Place>> at{};  // where it was met again
    int64_t since_ms = 0;
  };
  struct Aside {
    size_t events = 0, bytes = 0;
  };
  struct ProjectQueue {
    std::shared_ptr<const catalog::Project> project;
    std::deque<Waiting> events;
    size_t batches = 0;  // at work
  };
  struct Seen {
    ProjectId project{};
    int64_t at_ms = INT64_MIN / 2;  // by the monotonic clock
  };
  struct LaneState {
    std::map<Place, Answer> answers;
    std::map<Partition, Offset> looked;  // next to look at
    std::map<ProjectId, ProjectQueue> projects;
    std::array<Seen, 2> seen;  // whose record was looked at last, and whose other one before that
    bool waits = false;
  };
  struct Candidate;

  LaneState& lane_of(event::Lane lane) { return lanes_[static_cast<size_t>(lane)]; }
  const LaneState& lane_of(event::Lane lane) const { return lanes_[static_cast<size_t>(lane)]; }
  bool lanes_are_idle() const;
  Status look(event::Lane lane, const std::vector<InputSlice>& slices,
              const catalog::Snapshot& snapshot);
  void enqueue(event::Lane lane, Candidate& candidate);
  // app_gate_aside.cc
  void note_seen(LaneState& state, ProjectId project) const;
  bool has_others(const LaneState& state, ProjectId project) const;
  bool is_set_aside(event::Lane lane, const catalog::Project& project) const;
  bool has_room_aside(ProjectId project, std::string_view token, size_t bytes) const;
  void set_aside(Answer& answer);
  void set_aside(event::Lane lane, ProjectId project, const std::string& token);
  void no_longer_aside(const Answer& answer);
  void keep(const Identity& identity, std::shared_ptr<const AppsAnswer> given);
  bool meets_again(event::Lane lane, Place place, Answer& answer);
  bool would_overtake(event::Lane lane, const event::RawRecord& raw, ProjectId project);
  void came_again(const event::RawRecord& raw, ProjectId project);
  void take_kept(const Identity& identity, const std::shared_ptr<const AppsAnswer>& given);
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
  GoesRound goes_round_;
  std::map<ProjectId, Aside> aside_;  // not decided yet
  size_t aside_events_ = 0;
  std::map<Identity, Kept> kept_;
  /// What was set aside and was not met again yet, by project and a hash of the distinct id.
  std::map<std::pair<ProjectId, uint64_t>, std::set<Uuid>> on_way_;
  ZoneDays zones_;
  std::array<LaneState, event::kLanes.size()> lanes_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace penstock::ingest
