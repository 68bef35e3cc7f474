#include "load/batch/intent_book.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/codec.h"

namespace penstock::load {
namespace {

enum Kind : uint8_t {
  kIntent = 1,
  kSplit = 2,
  kStored = 3,
  kSnapshot = 4,
  kQuestion = 5,
  kAnswer = 6
};

// Each loader has one at a time, and what dead ones leave is repeated by others.
constexpr size_t kOpenMax = 4096;
// One asks at a time, but for moments in which another one takes over.
constexpr size_t kQuestionsMax = 4;

bool is_same(const Intent& a, const Intent& b) {
  return a.epoch == b.epoch && a.sequence == b.sequence;
}

/// Its name without what is in it.
Intent id_of(const Intent& intent) {
  Intent out;
  out.epoch = intent.epoch;
  out.sequence = intent.sequence;
  return out;
}

template <typename Questions>
auto* question_in(Questions& all, const Intent& id) {
  const auto it = std::ranges::find_if(all, [&](const auto& q) { return is_same(q.id, id); });
  return it == all.end() ? nullptr : &*it;
}

std::string with_kind(Kind kind, std::string_view body) {
  std::string out(1, static_cast<char>(kind));
  return out.append(body);
}

}  // namespace

std::string intent_record(const Intent& intent) { return with_kind(kIntent, intent.encode()); }

std::string split_record(const Intent& intent) { return with_kind(kSplit, intent.encode()); }

std::string stored_record(const Intent& intent) {
  return with_kind(kStored, id_of(intent).encode());
}

std::string question_record(const Intent& question) {
  return with_kind(kQuestion, question.encode());
}

std::string answer_record(const Intent& question, const std::vector<Range>& partitions) {
  Intent out = id_of(question);
  out.ranges = partitions;
  return with_kind(kAnswer, out.encode());
}

Status IntentBook::apply(Offset at, std::string_view record) {
  if (record.empty()) return fail(Code::kCorrupt, fmt::format("record {} is empty", at.value));
  const bool first = !std::exchange(begun_, true);
  next_ = Offset{at.value + 1};
  const auto kind = static_cast<uint8_t>(record.front());
  record.remove_prefix(1);
  if (kind == kSnapshot) return take_snapshot(at, record, first);
  auto intent = Intent::decode(record);
  if (!intent) {
    return fail(intent.error().code,
                fmt::format("record {} of the batches: {}", at.value, intent.error().message));
  }
  const auto own =
      std::ranges::find_if(open_, [&](const Intent& i) { return is_same(i, *intent); });
  switch (kind) {
    case kIntent: return own == open_.end() ? take_intent(std::move(*intent)) : Status{};
    case kSplit:
      if (own != open_.end()) own->split = intent->split;
      return {};
    case kStored:
      if (own != open_.end()) open_.erase(own);
      return {};
    case kQuestion: return take_question(std::move(*intent)), Status{};
    case kAnswer: return take_answer(*intent);
    default:
      return fail(Code::kInvalid, fmt::format("record {} of the batches is of a kind ({}) that is "
                                              "not known here",
                                              at.value, kind));
  }
}

Status IntentBook::take_intent(Intent intent) {
  for (const Range& r : intent.ranges) {
    const auto p = static_cast<size_t>(r.partition.value);
    if (!has(r.partition)) {
      return fail(Code::kInvalid, fmt::format("a batch names partition {}, of {} that there are",
                                              r.partition.value, ends_.size()));
    }
    if (r.from >= r.to || (ends_[p] && r.from < *ends_[p])) return {};  // others were first
  }
  if (intent.ranges.empty()) return {};
  if (open_.size() >= kOpenMax) return fail(Code::kCorrupt, "too many batches are open");
  for (const Range& r : intent.ranges) ends_[static_cast<size_t>(r.partition.value)] = r.to;
  open_.push_back(std::move(intent));
  return {};
}

const IntentBook::Question* IntentBook::question(const Intent& id) const {
  return question_in(questions_, id);
}

bool IntentBook::has(Partition partition) const {
  return partition.value >= 0 && static_cast<size_t>(partition.value) < ends_.size();
}

void IntentBook::take_question(Intent id) {
  asked_++;
  if (Question* const known = question_in(questions_, id)) {
    known->asked = asked_;
    return;
  }
  if (questions_.size() >= kQuestionsMax) questions_.pop_front();
  questions_.push_back({std::move(id), asked_, {}});
  questions_.back().partitions.resize(ends_.size());
}

/// Several may answer for one partition: what is furthest is true.
Status IntentBook::take_answer(const Intent& answer) {
  Question* const of = question_in(questions_, answer);
  if (of == nullptr) return {};
  for (const Range& r : answer.ranges) {
    if (!has(r.partition)) {
      return fail(Code::kInvalid, fmt::format("an answer names partition {}, of {} that there are",
                                              r.partition.value, ends_.size()));
    }
    std::optional<Range>& known = of->partitions[static_cast<size_t>(r.partition.value)];
    if (!known) known = r;
    known->from = std::max(known->from, r.from);
    known->to = std::max(known->to, r.to);
  }
  return {};
}

const Intent* IntentBook::find(const Intent& intent) const {
  const auto it = std::ranges::find_if(open_, [&](const Intent& i) { return is_same(i, intent); });
  return it == open_.end() ? nullptr : &*it;
}

std::string IntentBook::snapshot() const {
  std::string out(1, static_cast<char>(kSnapshot));
  ByteWriter w(out);
  w.i64(next_.value);
  Intent ends;
  for (size_t p = 0; p < ends_.size(); p++) {
    if (ends_[p]) ends.ranges.push_back({{static_cast<int32_t>(p)}, *ends_[p], *ends_[p]});
  }
  w.bytes(ends.encode());
  w.varint(open_.size());
  for (const Intent& i : open_) w.bytes(i.encode());
  return out;
}

Status IntentBook::take_snapshot(Offset at, std::string_view body, bool first) {
  ByteReader r(body);
  // Something came between: it says what was before that.
  if (r.i64() != at.value) return {};
  begin_ = at;
  if (!first) return {};  // it says what is known
  IntentBook fresh(ends_.size());
  const auto ends = Intent::decode(r.bytes());
  if (!ends) return std::unexpected(ends.error());
  for (const Range& range : ends->ranges) {
    if (!has(range.partition)) {
      return fail(Code::kInvalid, "the batches are of a topic with more partitions");
    }
    fresh.ends_[static_cast<size_t>(range.partition.value)] = range.to;
  }
  const uint64_t open = r.varint();
  if (open > kOpenMax) return fail(Code::kCorrupt, "too many batches are open");
  for (uint64_t i = 0; i < open && r.ok(); i++) {
    auto intent = Intent::decode(r.bytes());
    if (!intent) return std::unexpected(intent.error());
    fresh.open_.push_back(std::move(*intent));
  }
  if (!r.ok() || !r.at_end()) return fail(Code::kCorrupt, "a record of the batches is cut off");
  ends_ = std::move(fresh.ends_);
  open_ = std::move(fresh.open_);
  return {};
}

}  // namespace penstock::load
