#include "ingest/commands/undo_merge.h"

#include <fmt/format.h>

#include <limits>

#include "base/json_writer.h"

namespace penstock::ingest {
namespace {

/// Little enough to be read while cycles wait; after so many rounds they wait for the rest anyway.
constexpr uint64_t kRecordsInPauseMax = 20'000;
constexpr int kRoundsMax = 10;

}  // namespace

void UndoMerge::start(ProjectId project, const Uuid& person, const Uuid& event,
                      std::function<void(uint64_t, uint64_t)> progress, CommandDone done) {
  project_ = project;
  person_ = person;
  event_ = event;
  progress_ = std::move(progress);
  done_ = std::move(done);
  if (const Status s = prepare(); !s) return finish(s);
  round();
}

void UndoMerge::stop() {
  if (order_) order_->stop();
}

Status UndoMerge::prepare() {
  tree_ = std::make_unique<MergeTree>(store_, project_);
  PENSTOCK_CHECK(tree_->load(person_));
  merge_ = tree_->find(event_);
  if (merge_ == nullptr) {
    return fail(Code::kNotFound, "this person's history has no merge by that event");
  }
  if (merge_->merge.undone) return fail(Code::kInvalid, "this merge is undone already");
  PENSTOCK_TRY(const auto holder, store_.fetch({{project_, std::string(merge_->merge.target_id)},
                                                {project_, std::string(merge_->merge.source_id)}}));
  if (!holder[0] && !holder[1]) return fail(Code::kInvalid, "the person was deleted since");
  if (!holder[0] || !holder[1] || holder[0]->id != holder[1]->id) {
    return fail(Code::kInvalid, "the two ids of this merge are of different persons already");
  }
  const auto bounds = log_.bounds(std::string(event::kTopicProcessed));
  if (!bounds) return std::unexpected(bounds.error());
  std::vector<int64_t> from = merge_->merge.positions;
  from.resize(bounds->size(), 0);
  for (const log::PartitionBounds& b : *bounds) {
    if (from[static_cast<size_t>(b.partition.value)] < b.start.value) reaches_back_ = false;
  }
  what_if_ = std::make_unique<WhatIf>(store_, *tree_, *merge_);
  PENSTOCK_CHECK(what_if_->begin(reaches_back_));
  order_ = DecisionOrder::make(loop_, log_, project_, from, [this](const event::Outcome& o) {
    read_++;
    return what_if_->take(o);
  });
  return {};
}

void UndoMerge::round() {
  const auto bounds = log_.bounds(std::string(event::kTopicProcessed));
  if (!bounds) return finish(std::unexpected(bounds.error()));
  const uint64_t left = order_->left(*bounds);
  progress_(read_, read_ + left);
  if (left <= kRecordsInPauseMax || rounds_++ == kRoundsMax) {
    return host_.pause([self = shared_from_this()] { self->last_round(); });
  }
  // Everything up to the last applied cycle is in the log, and in the histories.
  if (Status s = tree_->load(person_); !s) return finish(s);
  order_->read(*bounds, host_.last_cycle_ms(), [self = shared_from_this()](const Status& status) {
    if (!status) return self->finish(status);
    self->round();
  });
}

void UndoMerge::last_round() {
  paused_ = true;
  const auto bounds = log_.bounds(std::string(event::kTopicProcessed));
  if (!bounds) return finish(std::unexpected(bounds.error()));
  if (Status s = tree_->load(person_); !s) return finish(s);
  order_->read(*bounds, std::numeric_limits<int64_t>::max(),
               [self = shared_from_this()](const Status& status) { self->finish(status); });
}

Result<CommandResult> UndoMerge::result() {
  CommandResult out;
  PENSTOCK_TRY(out.records, what_if_->differences());
  JsonWriter w;
  w.begin_object();
  w.field("person", what_if_->target_person().text());
  w.field("person_ids", static_cast<uint64_t>(what_if_->ids_of(what_if_->target_person())));
  w.field("restored_person", what_if_->source_person().text());
  w.field("restored_ids", static_cast<uint64_t>(what_if_->ids_of(what_if_->source_person())));
  w.field("events_read", read_).field("events_applied", what_if_->events());
  w.field("exact", reaches_back_);
  w.field("note", reaches_back_ ? ""
                                : "the log no longer reaches back to the merge: events between the "
                                  "merge and the log's oldest are not told apart");
  out.report = w.end_object().take();
  return out;
}

void UndoMerge::finish(const Status& status) {
  if (!done_) return;
  auto done = std::exchange(done_, nullptr);
  Result<CommandResult> out = status ? result() : std::unexpected(status.error());
  if (!out && paused_) host_.resume();
  done(std::move(out));
}

}  // namespace penstock::ingest
