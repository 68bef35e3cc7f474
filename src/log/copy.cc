#include "log/copy.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <future>
#include <memory>
#include <set>

#include "base/hash.h"

namespace penstock::log {
namespace {

constexpr int64_t kWaitMs = 1000;
constexpr int kEmptyMax = 30;  // fetches in a row that bring nothing of what is there

/// The answer of something that was started; whoever is late finds nobody.
template <typename T, typename Start>
Result<T> answer_of(int64_t wait_ms, const std::string& what, Start start) {
  auto promise = std::make_shared<std::promise<Result<T>>>();
  auto future = promise->get_future();
  start([promise](Result<T> got) { promise->set_value(std::move(got)); });
  if (future.wait_for(std::chrono::milliseconds(wait_ms)) != std::future_status::ready) {
    return fail(Code::kTimeout, what + ": no answer");
  }
  return future.get();
}

std::vector<Position> positions_before(const std::vector<int64_t>& at,
                                       const std::vector<int64_t>& to) {
  std::vector<Position> out;
  for (size_t p = 0; p < at.size(); p++) {
    if (at[p] < to[p]) out.push_back({{static_cast<int32_t>(p)}, {at[p]}});
  }
  return out;
}

std::string name_of(const std::string& topic, size_t partition) {
  return fmt::format("{}, partition {}", topic, partition);
}

/// Producers seen in a topic, by partition.
Result<std::set<std::pair<int32_t, uint64_t>>> producers_in(
    Log& log, runtime::Loop& home, const std::string& topic,
    const std::vector<PartitionBounds>& bounds, std::set<std::pair<int32_t, uint64_t>> wanted) {
  constexpr int64_t kAnswerMs = 60'000;
  std::set<std::pair<int32_t, uint64_t>> seen;
  std::vector<int64_t> at, to;
  for (const PartitionBounds& b : bounds) {
    at.push_back(b.start.value);
    to.push_back(b.end.value);
  }
  while (!wanted.empty()) {
    const auto positions = positions_before(at, to);
    if (positions.empty()) break;
    PENSTOCK_TRY(const FetchResult got,
                 answer_of<FetchResult>(kAnswerMs, "reading " + topic, [&](auto done) {
                   log.fetch(home, {topic, positions, 4U << 20, kWaitMs}, std::move(done));
                 }));
    for (const ReadBatch& b : got.batches) {
      const std::pair key{b.partition.value, b.producer};
      seen.insert(key);
      wanted.erase(key);
    }
    for (const Position& p : got.next) at[static_cast<size_t>(p.partition.value)] = p.next.value;
  }
  return seen;
}

}  // namespace

Result<Begins> begins_of(Log& source, runtime::Loop& home, const std::vector<std::string>& topics,
                         const std::vector<uint64_t>& producers) {
  Begins out;
  for (const std::string& topic : topics) {
    PENSTOCK_TRY(const auto bounds, source.bounds(topic));
    TopicBegin& begin = out[topic];
    std::set<std::pair<int32_t, uint64_t>> known;
    for (const PartitionBounds& b : bounds) {
      begin.base.push_back(b.start.value);
      if (b.start.value == 0) continue;  // nothing was deleted
      for (const uint64_t producer : producers) {
        if (source.last_sequence(topic, b.partition, producer) < 0) continue;
        known.emplace(b.partition.value, producer);
      }
    }
    PENSTOCK_TRY(const auto seen, producers_in(source, home, topic, bounds, known));
    for (const auto& key : known) {
      if (seen.contains(key)) continue;
      begin.sequences[key] = source.last_sequence(topic, {key.first}, key.second);
    }
  }
  return out;
}

LogCopy::LogCopy(Log& source, Log& target, runtime::Loop& home, CopyOptions options)
    : source_(source), target_(&target), home_(home), options_(std::move(options)) {}

Result<std::vector<int64_t>> LogCopy::ends_of(Log& log, const std::string& topic) const {
  PENSTOCK_TRY(const auto bounds, log.bounds(topic));
  std::vector<int64_t> out;
  for (const PartitionBounds& b : bounds) out.push_back(b.end.value);
  return out;
}

/// Both sides are read from where the later one starts; what only the target has is no use to
/// compare with.
Status LogCopy::place(const std::string& topic) {
  PENSTOCK_TRY(const auto from, source_.bounds(topic));
  PENSTOCK_TRY(const auto to, target_->bounds(topic));
  if (from.size() != to.size()) {
    return fail(Code::kInvalid,
                fmt::format("{} has {} partitions on one side and {} on the other: log.partitions "
                            "has to be the same",
                            topic, from.size(), to.size()));
  }
  Topic& t = topics_[topic];
  for (size_t p = 0; p < from.size(); p++) {
    if (to[p].end.value > from[p].end.value) {
      return fail(Code::kConflict,
                  fmt::format("{}: the target goes on to {} and the source ends at {}: it is not a "
                              "copy of it",
                              name_of(topic, p), to[p].end.value, from[p].end.value));
    }
    if (to[p].end.value < from[p].start.value) {
      return fail(Code::kNotFound,
                  fmt::format("{}: the copy ends at {} and retention has deleted all before {}: "
                              "empty the target and begin anew",
                              name_of(topic, p), to[p].end.value, from[p].start.value));
    }
    const int64_t at = std::max(from[p].start.value, to[p].start.value);
    t.source.at.push_back(at);
    t.target.at.push_back(at);
    progress_.records_total += static_cast<uint64_t>(from[p].end.value - at);
  }
  t.source.hashes.assign(from.size(), 0);
  t.target.hashes.assign(from.size(), 0);
  return {};
}

Status LogCopy::begin() {
  for (const std::string& topic : options_.topics) PENSTOCK_CHECK(place(topic));
  for (const std::string& topic : options_.topics) {
    Topic& t = topics_[topic];
    PENSTOCK_TRY(const auto there, ends_of(*target_, topic));
    for (bool more = true; more;) {
      uint64_t records = 0;
      PENSTOCK_TRY(more, read_on(source_, topic, t.source, there,
                                 [&](const ReadBatch& b, size_t from, size_t to) {
                                   records += to - from;
                                   for (size_t i = from; i < to; i++) {
                                     progress_.bytes += b.records[i].size();
                                   }
                                 }));
      PENSTOCK_CHECK(read_back(topic));
      PENSTOCK_CHECK(tell(records));
    }
  }
  return {};
}

Status LogCopy::tell(uint64_t records) {
  progress_.records += records;
  progress_.records_total = std::max(progress_.records_total, progress_.records);
  if (!options_.on_piece || options_.on_piece(progress_)) return {};
  return fail(Code::kCancelled, "the copy was ended");
}

Result<bool> LogCopy::read_on(Log& log, const std::string& topic, Cursor& cursor,
                              const std::vector<int64_t>& to, const Visit& visit) {
  const auto positions = positions_before(cursor.at, to);
  if (positions.empty()) return false;
  for (int empty = 0; empty < kEmptyMax; empty++) {
    PENSTOCK_TRY(const FetchResult got,
                 answer_of<FetchResult>(options_.answer_ms_max, "reading " + topic, [&](auto done) {
                   log.fetch(home_, {topic, positions, options_.piece_bytes, kWaitMs},
                             std::move(done));
                 }));
    bool any = false;
    for (const ReadBatch& b : got.batches) {
      const auto p = static_cast<size_t>(b.partition.value);
      int64_t& at = cursor.at[p];
      const int64_t end = std::min(b.base.value + static_cast<int64_t>(b.records.size()), to[p]);
      if (end <= at) continue;
      if (b.base.value > at) {
        return fail(Code::kCorrupt, fmt::format("{}: the records from {} to {} are missing",
                                                name_of(topic, p), at, b.base.value));
      }
      const auto first = static_cast<size_t>(at - b.base.value);
      const auto last = static_cast<size_t>(end - b.base.value);
      for (size_t i = first; i < last; i++) {
        cursor.hashes[p] = hash64(b.records[i], cursor.hashes[p] + 1);
      }
      if (visit) visit(b, first, last);
      at = end;
      any = true;
    }
    if (any) return true;
  }
  return fail(Code::kUnavailable, "reading " + topic + ": nothing comes of what is there");
}

Status LogCopy::read_back(const std::string& topic) {
  Topic& t = topics_[topic];
  for (bool more = true; more;) {
    PENSTOCK_TRY(more, read_on(*target_, topic, t.target, t.source.at, nullptr));
  }
  for (size_t p = 0; p < t.source.at.size(); p++) {
    if (t.source.hashes[p] == t.target.hashes[p]) continue;
    return fail(Code::kConflict,
                fmt::format("{}: before {} the target holds other records than the source",
                            name_of(topic, p), t.source.at[p]));
  }
  return {};
}

Status LogCopy::append(const std::string& topic, std::vector<Batch> batches,
                       const std::vector<int64_t>& bases) {
  PENSTOCK_TRY(
      const auto got,
      answer_of<std::vector<Appended>>(options_.answer_ms_max, "writing " + topic, [&](auto done) {
        target_->append(home_, topic, std::move(batches), std::move(done));
      }));
  for (size_t i = 0; i < got.size(); i++) {
    if (!got[i].duplicate && got[i].base.value == bases[i]) continue;
    return fail(Code::kConflict,
                fmt::format("{}: what should lie at {} lies elsewhere: somebody else writes to the "
                            "target",
                            name_of(topic, static_cast<size_t>(got[i].partition.value)), bases[i]));
  }
  return {};
}

Status LogCopy::catch_up_with(const std::string& topic) {
  Topic& t = topics_[topic];
  PENSTOCK_TRY(const auto ends, ends_of(source_, topic));
  for (;;) {
    std::vector<Batch> batches;
    std::vector<int64_t> bases;
    uint64_t records = 0;
    const auto take = [&](const ReadBatch& b, size_t from, size_t to) {
      size_t bytes = 0;
      for (size_t i = from; i < to; i++) bytes += b.records[i].size();
      // Whose repeats are told apart stays a batch of its own; the rest comes in larger ones.
      const bool joins = b.producer == 0 && !batches.empty() && batches.back().producer == 0 &&
                         batches.back().partition == b.partition &&
                         batches.back().data.size() + bytes < options_.piece_bytes;
      if (!joins) {
        batches.push_back({.partition = b.partition,
                           .count = 0,
                           .data = {},
                           .producer = b.producer,
                           .sequence = b.sequence});
        bases.push_back(b.base.value + static_cast<int64_t>(from));
      }
      Batch& out = batches.back();
      for (size_t i = from; i < to; i++) encode_record(out.data, b.records[i]);
      progress_.bytes += bytes;
      out.count += static_cast<uint32_t>(to - from);
      records += to - from;
    };
    PENSTOCK_TRY(const bool more, read_on(source_, topic, t.source, ends, take));
    if (!more) return {};
    PENSTOCK_CHECK(append(topic, std::move(batches), bases));
    PENSTOCK_CHECK(read_back(topic));
    PENSTOCK_CHECK(tell(records));
  }
}

Result<uint64_t> LogCopy::catch_up() {
  const uint64_t before = progress_.records;
  for (const std::string& topic : options_.topics) {
    if (Status s = catch_up_with(topic); !s) return std::unexpected(s.error());
  }
  return progress_.records - before;
}

Status LogCopy::copy_positions(const std::vector<std::string>& groups) {
  for (const std::string& group : groups) {
    for (const std::string& topic : options_.topics) {
      auto positions = source_.committed(group, topic);
      if (positions.empty()) continue;
      PENSTOCK_CHECK(target_->commit(group, topic, std::move(positions)));
    }
  }
  return {};
}

uint64_t LogCopy::checksum() const {
  uint64_t out = 0;
  for (const auto& [name, topic] : topics_) {
    for (const uint64_t hash : topic.source.hashes) {
      out = hash64({reinterpret_cast<const char*>(&hash), sizeof hash}, out + 1);
    }
  }
  return out;
}

}  // namespace penstock::log
