// Decider: what becomes of a batch of captured events; the computing part of a cycle.
//
// Plain synchronous code: reads dedup and persons for the whole batch, takes every event through
// the steps in order, and encodes one outcome per event, then its heatmap, warnings and person
// and group changes, for the processed topic. Nothing is written here; deciding the same input
// again is harmless. Ingest loop only. Failure: the ledger's or the person store's; the cycle is
// repeated later.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "catalog/catalog.h"
#include "event/processed_record.h"
#include "event/slice.h"
#include "ingest/event_apps.h"
#include "ingest/steps/cookieless.h"
#include "ingest/steps/item.h"
#include "ingest/steps/person_step.h"
#include "ingest/steps/warning_limit.h"
#include "ledger/ledger.h"
#include "log/log.h"
#include "persons/person_store.h"

namespace penstock::ingest {

/// Consecutive raw records of one partition.
struct InputSlice {
  Partition partition;
  Offset base;
  std::vector<std::string_view> records;
};

/// What goes to one partition of the processed topic.
struct Output {
  Partition partition;
  Offset next;  // of the input, after the records decided
  /// As log::Batch wants it; the log and what applies the records both read it.
  std::shared_ptr<std::string> text;
  std::vector<uint32_t> begins{}, ends{};  // of the records in it
  size_t persons_from = 0;                 // index of the first person, distinct id or group change
  std::vector<size_t> merges{};            // indexes of the merges' records

  std::vector<std::string_view> records() const;
};

/// Texts of outputs that nobody reads any more, for the next ones: memory that was touched before
/// is cheaper. A text comes back by itself, from whatever thread lets go of it last.
class OutputTexts {
 public:
  std::shared_ptr<std::string> take();

 private:
  struct Free {
    std::mutex mutex;
    std::vector<std::unique_ptr<std::string>> texts;
  };
  std::shared_ptr<Free> free_ = std::make_shared<Free>();
};

struct Decided {
  std::vector<Output> outputs;
  uint64_t events = 0, accepted = 0, dropped = 0, duplicates = 0, quarantined = 0;
  uint64_t warnings = 0, heatmap_points = 0;
  std::vector<Uuid> stored_persons;  // of the person changes: PersonUpdates::stored
  /// Events that go round others', by token: they are in quarantine now and received again.
  struct Aside {
    ProjectId project;
    int64_t from_ms = std::numeric_limits<int64_t>::max();  // when the oldest was received
  };
  std::map<std::string, Aside> aside;

  /// As they are appended.
  size_t bytes() const;
};

struct DeciderLimits {
  size_t output_bytes_max = 16U << 20;  // a cycle ends early when it has made this much
  /// What one append holds. A cycle that made more is decided again with half its events: what
  /// persons and groups become is known at its end only. An event that alone makes more is put
  /// into quarantine.
  size_t append_bytes_max = log::kBatchBytesMax;
  /// Where lanes have partitions for each slice, whose they are: another slice's record there goes
  /// into quarantine, because others decide about its persons.
  event::Slice slice{};
};

class Decider {
 public:
  /// `cookieless` may be null: then events of cookieless visitors are quarantined.
  Decider(const persons::PersonStore& persons, const ledger::Ledger& ledger, DeciderLimits limits,
          CookielessStore* cookieless = nullptr)
      : persons_(persons), ledger_(ledger), limits_(limits), cookieless_(cookieless) {}

  /// Decides the slices in order; may end early, then `next` of an output, or a missing output,
  /// tells what is left.
  /// `now_ms` is later for every cycle. `positions`: the processed partitions' next offsets, for
  /// the merges' records. `apps`: what apps made of those of the events that went through any.
  Result<Decided> decide(event::Lane lane, const std::vector<InputSlice>& slices,
                         const catalog::Snapshot& snapshot, int64_t now_ms,
                         const std::vector<int64_t>& positions = {}, const AppsAnswers& apps = {});

 private:
  struct Head;
  struct Cycle;

  /// `too_large`: the one event there is has been found to make more than an append holds.
  Result<Decided> attempt(event::Lane lane, const std::vector<InputSlice>& slices,
                          const catalog::Snapshot& snapshot, int64_t now_ms,
                          const std::vector<int64_t>& positions, const AppsAnswers& apps,
                          bool too_large);
  Verdict refuse_large(const Item& item) const;
  Status read(Cycle& cycle);
  Status read_entries(Cycle& cycle);
  static std::optional<std::string> expected_visitor(Cycle& cycle, const Head& head);
  Status decide_one(Cycle& cycle, const Head& head, Output& output);
  static Verdict check_repeat(Cycle& cycle, const Head& head, Item& item);
  Result<Verdict> prepare(Cycle& cycle, Item& item, const AppsAnswer* apps);
  Status finish_accepted(Cycle& cycle, Item& item, event::Outcome& outcome);
  static void finish_heatmap(Cycle& cycle, const Item& item, event::Outcome& outcome);
  void finish_quarantined(Cycle& cycle, const Item& item, event::Outcome& outcome);
  static void emit(Output& output, const event::ProcessedRecord& record);
  void emit_warnings(Cycle& cycle, const Item& item, Output& output);
  static void emit_heatmap(Cycle& cycle, Output& output);
  static void emit_merges(Cycle& cycle, Output& output);
  static void emit_changes(Cycle& cycle, Decided& decided);

  const persons::PersonStore& persons_;
  const ledger::Ledger& ledger_;
  DeciderLimits limits_;
  CookielessStore* cookieless_;
  ZoneDays zones_;
  WarningLimit warning_limit_;
  OutputTexts texts_;
};

}  // namespace penstock::ingest
