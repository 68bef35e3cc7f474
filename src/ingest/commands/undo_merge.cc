#include "ingest/commands/undo_merge.h"

#include <fmt/format.h>

#include <limits>

#include "base/json_writer.h"
#include "log/scan.h"

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
  read([](UndoMerge& self) { return self.prepare(); }, &UndoMerge::round);
}

void UndoMerge::read(Status (*work)(UndoMerge&), void (UndoMerge::*then)()) {
  read_persons<Status>(
      host_, store_, [self = shared_from_this(), work] { return work(*self); },
      [self = shared_from_this(), then](const Status& status) {
        status ? (self.get()->*then)() : self->finish(status);
      });
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
  from.resize(static_cast<size_t>(log::places_of(*bounds)), 0);
  for (const log::PartitionBounds& b : *bounds) {
    if (!host_.decides(b.partition)) continue;
    if (from[static_cast<size_t>(b.partition.value)] < b.start.value) reaches_back_ = false;
  }
  what_if_ = std::make_unique<WhatIf>(store_, *tree_, *merge_);
  PENSTOCK_CHECK(what_if_->begin(reaches_back_));
  order_ = DecisionOrder::make(loop_, log_, host_, project_, from, [this](const event::Outcome& o) {
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
  ends_ = *bounds;
  upto_ms_ = host_.last_cycle_ms();
  read([](UndoMerge& self) { return self.tree_->load(self.person_); }, &UndoMerge::go_through);
}

void UndoMerge::go_through() {
  order_->read(ends_, upto_ms_, [self = shared_from_this()](const Status& status) {
    if (!status || self->paused_) return self->finish(status);
    self->round();
  });
}

void UndoMerge::last_round() {
  paused_ = true;
  const auto bounds = log_.bounds(std::string(event::kTopicProcessed));
  if (!bounds) return finish(std::unexpected(bounds.error()));
  ends_ = *bounds;
  upto_ms_ = std::numeric_limits<int64_t>::max();
  read([](UndoMerge& self) { return self.tree_->load(self.person_); }, &UndoMerge::go_through);
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
  const auto end = [self = shared_from_this()](Result<CommandResult> out) {
    if (!out && self->paused_) self->host_.resume();
    if (self->done_) std::exchange(self->done_, nullptr)(std::move(out));
  };
  if (!status) return end(std::unexpected(status.error()));
  read_persons<Result<CommandResult>>(
      host_, store_, [self = shared_from_this()] { return self->result(); }, end);
}

}  // namespace penstock::ingest
