// DecisionOrder: reads a project's accepted events from the processed topic in the order in which
// they were decided, whatever partition they lie in.
//
// Every cycle has a time of its own and goes through its partitions in their order; so events sort
// by time, partition and offset. Partitions are read as far ahead as one fetch gives. Runs on
// `loop`; `visit` gets one outcome at a time, its views valid during the call, off the loop where
// persons are (CommandHost::off_loop), as it may read them. Failure: the log's
// and `visit`'s, handed to `done`, which always runs once per `read`.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "event/processed_record.h"
#include "ingest/commands/work.h"
#include "log/log.h"
#include "runtime/runtime.h"

namespace penstock::ingest {

class DecisionOrder : public std::enable_shared_from_this<DecisionOrder> {
 public:
  using Visit = std::function<Status(const event::Outcome&)>;
  using Done = std::move_only_function<void(Status)>;

  /// `from`: the next offset of each partition, by number.
  static std::shared_ptr<DecisionOrder> make(runtime::Loop& loop, log::Log& log, CommandHost& host,
                                             ProjectId project, const std::vector<int64_t>& from,
                                             Visit visit);
  /// Visits what was decided up to `time_ms` and lies below `ends`. All of it must be there.
  void read(const std::vector<log::PartitionBounds>& ends, int64_t time_ms, Done done);
  /// Records that `read` with these ends would go through.
  uint64_t left(const std::vector<log::PartitionBounds>& ends) const;
  void stop() { stopped_ = true; }

 private:
  struct Held {
    int64_t time_ms = 0;
    std::string_view bytes;
    std::shared_ptr<const void> owner;
  };
  struct Part {
    int64_t next = 0, end = 0;
    std::deque<Held> held;
    bool starved() const { return held.empty() && next < end; }
  };

  DecisionOrder(runtime::Loop& loop, log::Log& log, CommandHost& host, ProjectId project,
                Visit visit)
      : loop_(loop), log_(log), host_(host), project_(project), visit_(std::move(visit)) {}
  void step();
  void go_on();
  void fetch();
  Status take(const log::FetchResult& got);
  Status visit_ready();
  void finish(Status status);

  runtime::Loop& loop_;
  log::Log& log_;
  CommandHost& host_;
  ProjectId project_;
  Visit visit_;
  std::map<int32_t, Part> parts_;
  int64_t upto_ms_ = 0;
  Done done_;
  bool stopped_ = false;
};

}  // namespace penstock::ingest
