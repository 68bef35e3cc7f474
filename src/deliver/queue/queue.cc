#include "deliver/queue/queue.h"

#include <algorithm>

#include "base/codec.h"

namespace penstock::deliver {
namespace {

constexpr char kPositions = 'p', kWaiting = 'q', kAttempts = 'a', kTimes = 't', kCounts = 'm';
constexpr size_t kSweepMax = 2000;
constexpr size_t kErrorBytesMax = 500;

void append_big(std::string& out, uint64_t value, int bytes = 8) {
  for (int shift = (bytes - 1) * 8; shift >= 0; shift -= 8) {
    out.push_back(static_cast<char>(value >> shift));
  }
}

uint64_t big_at(std::string_view text, size_t at, size_t bytes = 8) {
  uint64_t out = 0;
  for (const char c : text.substr(at, bytes)) out = out << 8 | static_cast<unsigned char>(c);
  return out;
}

std::string queue_prefix(char kind, const QueueId& id) {
  std::string out(1, kind);
  append_big(out, static_cast<uint64_t>(id.config));
  out.push_back(static_cast<char>(id.method));
  return out;
}

std::string entry_key(const QueueId& id, uint64_t number) {
  std::string out = queue_prefix(kWaiting, id);
  append_big(out, number);
  return out;
}

std::string event_prefix(const Uuid& event) {
  std::string out(1, kAttempts);
  ByteWriter(out).uuid(event);
  return out;
}

Waiting read_waiting(ByteReader& in) {
  Waiting out;
  out.event = in.uuid();
  out.attempts = static_cast<int>(in.varint());
  out.due_ms = in.i64();
  out.queued_ms = in.i64();
  out.units = in.varint();
  return out;
}

}  // namespace

Result<std::map<int32_t, int64_t>> Queue::positions() const {
  std::map<int32_t, int64_t> out;
  const std::string prefix(1, kPositions);
  PENSTOCK_CHECK(
      kv_.scan(prefix, kv::prefix_end(prefix), [&](std::string_view key, std::string_view value) {
        out[static_cast<int32_t>(big_at(key, 1, 4))] = ByteReader(value).i64();
        return true;
      }));
  return out;
}

void Queue::put_position(kv::WriteBatch& batch, int32_t partition, int64_t next) {
  std::string key(1, kPositions), value;
  append_big(key, static_cast<uint64_t>(partition), 4);
  ByteWriter(value).i64(next);
  batch.put_moved(std::move(key), std::move(value));
}

void Queue::put(kv::WriteBatch& batch, const QueueId& id, uint64_t number, const Waiting& waiting,
                std::string_view text) {
  std::string value;
  ByteWriter w(value);
  w.uuid(waiting.event);
  w.varint(static_cast<uint64_t>(waiting.attempts));
  w.i64(waiting.due_ms);
  w.i64(waiting.queued_ms);
  w.varint(waiting.units);
  value += text;
  batch.put_moved(entry_key(id, number), std::move(value));
}

void Queue::erase(kv::WriteBatch& batch, const QueueId& id, uint64_t number) {
  batch.erase(entry_key(id, number));
}

Result<std::vector<std::string>> Queue::texts(const QueueId& id,
                                              const std::vector<uint64_t>& numbers) const {
  std::vector<std::string> keys;
  for (const uint64_t number : numbers) keys.push_back(entry_key(id, number));
  std::vector<std::string> out(numbers.size());
  PENSTOCK_CHECK(kv_.visit_many(keys, [&](size_t at, std::string_view value) -> Status {
    ByteReader in(value);
    read_waiting(in);
    if (in.ok()) out[at] = in.rest();
    return {};
  }));
  return out;
}

Status Queue::scan(const QueueId& id,
                   const std::function<void(uint64_t, const Waiting&)>& visit) const {
  const std::string prefix = queue_prefix(kWaiting, id);
  return kv_.scan(prefix, kv::prefix_end(prefix),
                  [&](std::string_view key, std::string_view value) {
                    ByteReader in(value);
                    Waiting waiting = read_waiting(in);
                    if (!in.ok()) return true;
                    waiting.bytes = in.rest().size();
                    visit(big_at(key, prefix.size()), waiting);
                    return true;
                  });
}

Status Queue::clear(const QueueId& id) {
  const std::string prefix = queue_prefix(kWaiting, id);
  return kv_.erase_range(prefix, kv::prefix_end(prefix));
}

void Queue::put_attempt(kv::WriteBatch& batch, const Uuid& event, const Attempt& attempt) {
  std::string time;
  append_big(time, static_cast<uint64_t>(attempt.at_ms));
  append_big(time, attempt_number_++, 4);
  std::string value;
  ByteWriter w(value);
  w.i64(attempt.config);
  w.u8(static_cast<uint8_t>(attempt.method));
  w.varint(static_cast<uint64_t>(attempt.number));
  w.u8(attempt.ok ? 1 : 0);
  w.i64(attempt.next_ms);
  w.bytes(std::string_view(attempt.error).substr(0, kErrorBytesMax));
  batch.put_moved(event_prefix(event) + time, std::move(value));
  std::string id;
  ByteWriter(id).uuid(event);
  batch.put_moved(std::string(1, kTimes) + time, std::move(id));
  attempts_++;
}

Result<std::vector<Attempt>> Queue::attempts(const Uuid& event) const {
  std::vector<Attempt> out;
  const std::string prefix = event_prefix(event);
  PENSTOCK_CHECK(
      kv_.scan(prefix, kv::prefix_end(prefix), [&](std::string_view key, std::string_view value) {
        ByteReader in(value);
        Attempt one;
        one.at_ms = static_cast<int64_t>(big_at(key, prefix.size()));
        one.config = in.i64();
        one.method = static_cast<Method>(in.u8() % kMethods);
        one.number = static_cast<int>(in.varint());
        one.ok = in.u8() != 0;
        one.next_ms = in.i64();
        one.error = in.bytes();
        if (in.ok()) out.push_back(std::move(one));
        return true;
      }));
  return out;
}

Result<bool> Queue::sweep(int64_t before_ms, uint64_t most) {
  kv::WriteBatch batch;
  size_t seen = 0;
  const uint64_t too_many = attempts_ > most ? attempts_ - most : 0;
  const std::string prefix(1, kTimes);
  PENSTOCK_CHECK(
      kv_.scan(prefix, kv::prefix_end(prefix), [&](std::string_view key, std::string_view value) {
        const auto at = static_cast<int64_t>(big_at(key, 1));
        if (at >= before_ms && seen >= too_many) return false;
        batch.erase(key);
        batch.erase(std::string(1, kAttempts) + std::string(value) + std::string(key.substr(1)));
        return ++seen < kSweepMax;
      }));
  if (seen == 0) return false;
  PENSTOCK_CHECK(kv_.write(batch));
  attempts_ -= std::min<uint64_t>(attempts_, seen);
  return seen == kSweepMax;
}

Status Queue::count_attempts() {
  attempts_ = 0;
  const std::string prefix(1, kTimes);
  return kv_.scan(prefix, kv::prefix_end(prefix), [&](std::string_view, std::string_view) {
    attempts_++;
    return true;
  });
}

void Queue::put_counts(kv::WriteBatch& batch, const QueueId& id, const Counted& counts) {
  std::string value;
  ByteWriter w(value);
  w.varint(counts.successes);
  w.varint(counts.successes_on_retry);
  w.varint(counts.failures);
  batch.put_moved(queue_prefix(kCounts, id), std::move(value));
}

Result<std::map<QueueId, Counted>> Queue::counts() const {
  std::map<QueueId, Counted> out;
  const std::string prefix(1, kCounts);
  PENSTOCK_CHECK(
      kv_.scan(prefix, kv::prefix_end(prefix), [&](std::string_view key, std::string_view value) {
        ByteReader in(value);
        const QueueId id{static_cast<int64_t>(big_at(key, 1)),
                         static_cast<Method>(static_cast<uint8_t>(key.back()) % kMethods)};
        Counted& one = out[id];
        one.successes = in.varint();
        one.successes_on_retry = in.varint();
        one.failures = in.varint();
        return true;
      }));
  return out;
}

}  // namespace penstock::deliver
