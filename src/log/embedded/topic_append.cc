// Appending: what is accepted, when a block is worth writing, what goes into it, who is told.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "base/assert.h"
#include "base/probe.h"
#include "log/embedded/answers.h"
#include "log/embedded/commit.h"
#include "log/embedded/metrics.h"
#include "log/record_codec.h"

namespace penstock::log {
namespace {

/// Fewer records than this are never waited for.
constexpr uint64_t kWorthWaiting = 8;
constexpr uint64_t kRecentBytes = 4U << 20;  // kept in any case, for a second reader
/// A batch with what it is wrapped in; so much may always be asked for.
constexpr uint64_t kAppendBytesMax = kBatchBytesMax + (uint64_t{1} << 20);
constexpr int64_t kReaderForgottenNs = 10'000'000'000;

}  // namespace

Topic::Topic(runtime::Runtime& runtime, runtime::Loop& loop, const EmbeddedLogOptions& options,
             TopicSpec spec)
    : runtime_(runtime),
      loop_(loop),
      options_(options),
      spec_(std::move(spec)),
      segment_bytes_(padded(spec_.segment_bytes > 0 ? spec_.segment_bytes : options.segment_bytes)),
      directory_(options.directory + "/" + spec_.name),
      end_(static_cast<size_t>(spec_.partitions), 0),
      inbox_(options.block_bytes_max / 2),
      cache_base_(end_),
      read_up_to_(end_) {}

Status Topic::parse(PendingAppend& append) const {
  append.parsed = std::make_shared<std::vector<PendingBatch>>();
  append.parsed->reserve(append.batches.size());
  for (Batch& b : append.batches) {
    if (b.partition.value < 0 || b.partition.value >= spec_.partitions) {
      return fail(Code::kInvalid, "there is no such partition");
    }
    if (b.text().size() > kBatchBytesMax) return fail(Code::kInvalid, "a batch is too large");
    append.bytes += b.text().size() + kSubBatchHeaderBytes;
    append.records += b.count;
    append.parsed->push_back({std::move(b), {}});
    // Split only where the data stands for good: moving a short string moves its bytes.
    PendingBatch& kept = append.parsed->back();
    const std::string& text = kept.batch.text();
    const bool sound = kept.batch.count > 0 && kept.batch.count <= text.size() &&
                       (kept.batch.ends.size() == kept.batch.count
                            ? split_records_at(text, kept.batch.ends, kept.records)
                            : split_records(text, kept.batch.count, kept.records));
    if (!sound) return fail(Code::kInvalid, "a batch does not hold the records it claims");
  }
  append.batches.clear();
  if (append.bytes > std::max<uint64_t>(options_.pending_bytes_max, kAppendBytesMax)) {
    return fail(Code::kInvalid, "an append is larger than what may wait to be written");
  }
  return {};
}

Status Topic::admit(PendingAppend& append) const {
  if (stopped_) return fail(Code::kCancelled, "the log has stopped");
  if (!append.parsed) PENSTOCK_CHECK(parse(append));
  if (disk_full_) {
    probe<"log.append_meets_full_disk">();
    return fail(Code::kExhausted, "the disk is full");
  }
  // One that is larger than all that may wait has its turn when nothing waits: refused for ever, it
  // would hold up whoever has nothing smaller to say.
  if (pending_bytes_ > 0 && pending_bytes_ + append.bytes > options_.pending_bytes_max) {
    probe<"log.append_busy">();
    metrics().busy.add();
    return fail(Code::kBusy, "too much is waiting to be written");
  }
  return {};
}

void Topic::refuse(PendingAppend& append, const Status& status) {
  append.home->post([done = std::move(append.done), e = status.error()]() mutable {
    done(std::unexpected(std::move(e)));
  });
}

void Topic::append(PendingAppend append) {
  accept(std::move(append));
  pump();
}

/// Looked through where it comes from: the topic's loop has enough to do.
void Topic::hand_over(PendingAppend append) {
  if (const Status sound = parse(append); !sound) return refuse(append, sound);
  if (!inbox_.put(std::move(append))) return;
  loop_.post([this, self = shared_from_this()] {
    take_inbox();
    pump();
  });
}

void Topic::take_inbox() {
  for (PendingAppend& a : inbox_.take()) accept(std::move(a));
}

void Topic::accept(PendingAppend append) {
  if (const Status admitted = admit(append); !admitted) return refuse(append, admitted);
  pending_bytes_ += append.bytes;
  pending_records_ += append.records;
  pending_.push_back(std::move(append));
}

void Topic::refuse_pending(Code code, const std::string& message) {
  Answers answers;
  for (PendingAppend& a : pending_) {
    answers.add(a.home,
                [done = std::move(a.done), code, message]() mutable { done(fail(code, message)); });
  }
  pending_.clear();
  pending_bytes_ = pending_records_ = 0;
  answers.send();
}

uint64_t Topic::next_block_bytes() const {
  uint64_t bytes = kBlockHeaderBytes;
  for (const PendingAppend& a : pending_) {
    if (bytes > kBlockHeaderBytes && bytes + a.bytes > options_.block_bytes_max) break;
    bytes += a.bytes;
  }
  return bytes;
}

/// Under concurrency those who were just answered come back at once: one commit for them and for
/// those who already wait costs half of two. A lone sender is never kept waiting.
bool Topic::is_due() {
  if (stopped_ || worth_records_ < kWorthWaiting || pending_records_ >= worth_records_ ||
      pending_bytes_ >= options_.block_bytes_max / 2) {
    return true;
  }
  const int64_t left_us =
      options_.commit_delay_us_max - (runtime_.clock().mono_ns() - committed_ns_) / 1000;
  if (left_us <= 0) return true;
  if (delay_armed_) return false;
  delay_armed_ = true;
  loop_.after(std::chrono::microseconds(left_us), [this, self = shared_from_this()] {
    delay_armed_ = false;
    take_inbox();
    pump();
  });
  return false;
}

/// So many records have to come before there is something to do.
uint64_t Topic::awaited_records() const {
  if (writing_) return UINT64_MAX;
  const bool waits = delay_armed_ && !pending_.empty() && worth_records_ > pending_records_;
  return waits ? worth_records_ - pending_records_ : 0;
}

void Topic::pump() {
  write_due();
  while (inbox_.wait_for(awaited_records())) {
    take_inbox();
    write_due();
  }
}

void Topic::write_due() {
  while (!writing_ && !pending_.empty() && is_due() && make_room(padded(next_block_bytes()))) {
    const auto commit = gather();
    worth_records_ = 0;
    if (!commit->subs.empty()) {
      write(commit);
    } else {
      probe<"log.nothing_new_to_write">();
      acknowledge(*commit);  // everything was stored before
    }
  }
}

std::shared_ptr<Topic::Commit> Topic::gather() {
  auto commit = std::make_shared<Commit>();
  commit->end = end_;
  uint64_t bytes = kBlockHeaderBytes;
  while (!pending_.empty()) {
    PendingAppend& a = pending_.front();
    if (bytes > kBlockHeaderBytes && bytes + a.bytes > options_.block_bytes_max) break;
    bytes += a.bytes;
    pending_bytes_ -= a.bytes;
    pending_records_ -= a.records;
    take(*commit, a);
    pending_.pop_front();
  }
  return commit;
}

void Topic::take(Commit& commit, PendingAppend& append) {
  std::vector<Appended> appended;
  appended.reserve(append.parsed->size());
  for (PendingBatch& p : *append.parsed) {
    const Batch& b = p.batch;
    if (b.producer != 0) {
      const ProducerKey key{b.partition.value, b.producer};
      const auto found = commit.sequences.find(key);
      const int64_t last = found == commit.sequences.end() ? producers_.last(key) : found->second;
      if (b.sequence <= last) {
        probe<"log.append_was_stored_before">();
        appended.push_back({b.partition, Offset{}, true});
        continue;
      }
      commit.sequences[key] = b.sequence;
    }
    int64_t& end = commit.end[static_cast<size_t>(b.partition.value)];
    appended.push_back({b.partition, Offset{end}, false});
    commit.stored.push_back({&p, commit.owners.size()});
    commit.subs.push_back({b.partition, b.count, Offset{end}, b.producer, b.sequence, b.text()});
    end += b.count;
    commit.records += b.count;
    commit.bytes += b.text().size();
  }
  commit.waiting.push_back({append.home, std::move(append.done), std::move(appended)});
  commit.owners.push_back(std::move(append.parsed));
}

void Topic::acknowledge(Commit& commit) {
  Answers answers;
  for (Commit::Waiting& w : commit.waiting) {
    answers.add(w.home, [done = std::move(w.done), appended = std::move(w.appended)]() mutable {
      done(std::move(appended));
    });
  }
  answers.send();
}

/// True when every partition's readers have gone past the block.
bool Topic::is_read(const CachedBlock& block) const {
  return std::ranges::equal(block.end, read_up_to_, std::ranges::less_equal{});
}

/// What nobody is going to ask for gives its memory to the next blocks while it is still in the
/// processor's caches: filling cold memory would be the dearest part of an append.
void Topic::cache(Commit& commit) {
  CachedBlock block;
  block.end = commit.end;
  block.batches.reserve(commit.subs.size());
  for (size_t i = 0; i < commit.subs.size(); i++) {
    const SubBatch& s = commit.subs[i];
    PendingBatch& p = *commit.stored[i].batch;
    // The records move out of their owner, which keeps the data they point into.
    block.batches.push_back({s.partition, s.base, s.producer, s.sequence, std::move(p.records),
                             commit.owners[commit.stored[i].owner]});
    block.bytes += sizeof(ReadBatch) + p.batch.text().capacity() + s.count * sizeof s.data;
  }
  cache_bytes_ += block.bytes;
  cache_.push_back(std::move(block));
  const bool followed = runtime_.clock().mono_ns() - read_ns_ < kReaderForgottenNs;
  while (!cache_.empty() &&
         (cache_bytes_ > options_.tail_cache_bytes ||
          (cache_bytes_ > kRecentBytes && (!followed || is_read(cache_.front()))))) {
    cache_base_ = cache_.front().end;
    cache_bytes_ -= cache_.front().bytes;
    cache_.pop_front();
  }
}

void Topic::stop() {
  take_inbox();
  stopped_ = true;
  for (PendingFetch& w : waiters_) {
    loop_.cancel(w.timer);
    answer(w, fail(Code::kCancelled, "the log has stopped"));
  }
  waiters_.clear();
  pump();
}

void Topic::abandon() {
  take_inbox();
  refuse_pending(Code::kCancelled, "the log has stopped");
}

}  // namespace penstock::log
