#include "log/kafka/state.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/codec.h"
#include "log/record_codec.h"

namespace penstock::log::kafka {

void Ticket::settle(size_t index, Result<Appended> outcome) {
  {
    const std::lock_guard lock(mutex_);
    if (outcome) {
      out_[index] = *outcome;
    } else if (!error_ || outcome.error().code == Code::kMaybe) {
      // Something of it may be there: that is what its caller has to know.
      error_ = std::move(outcome).error();
    }
  }
  if (left_.fetch_sub(1) > 1) return;
  if (error_) return answer(std::unexpected(*error_));
  answer(std::move(out_));
}

void Ticket::answer(Result<std::vector<Appended>> result) {
  if (answered_.exchange(true)) return;
  home_.post(
      [done = std::move(done_), result = std::move(result)]() mutable { done(std::move(result)); });
}

std::string encode_checkpoint(const Checkpoint& c) {
  std::string out = fmt::format("2 {} {} {} {}", c.epoch, c.end, c.clean ? 1 : 0, c.seen);
  for (const auto& [producer, sequence] : c.sequences) {
    out += fmt::format(" {}={}", producer, sequence);
  }
  return out;
}

std::optional<Checkpoint> decode_checkpoint(std::string_view text) {
  const std::string copy(text);
  const char* at = copy.c_str();
  char* end = nullptr;
  const auto number = [&]() -> std::optional<int64_t> {
    const int64_t value = std::strtoll(at, &end, 10);
    if (end == at) return std::nullopt;
    at = end;
    return value;
  };
  const auto version = number();
  if (version != 1 && version != 2) return std::nullopt;
  Checkpoint c;
  const auto epoch = number(), next = number(), clean = number();
  if (!epoch || !next || !clean) return std::nullopt;
  c.epoch = *epoch;
  c.end = *next;
  c.clean = *clean == 1;
  if (version == 1) {
    // Where something was under way it was written in front of what an older process left, and its
    // epoch would pass that over.
    c.seen = c.clean ? c.epoch : -1;
  } else if (const auto seen = number()) {
    c.seen = *seen;
  } else {
    return std::nullopt;
  }
  while (*at == ' ') {
    const uint64_t producer = std::strtoull(at, &end, 10);
    if (end == at || *end != '=') return std::nullopt;
    at = end + 1;
    const auto sequence = number();
    if (!sequence) return std::nullopt;
    c.sequences[producer] = *sequence;
  }
  return *at == '\0' ? std::optional(c) : std::nullopt;
}

bool OpenBatch::add(const MessageCodec& codec, std::string_view topic, int64_t begin,
                    const rd_kafka_message_t& message, bool heads) {
  const int64_t offset = message.offset + begin;
  if (!empty() && offset != next()) return false;
  if (empty()) {
    base_ = offset;
    text_ = std::make_shared<std::string>();
  }
  MessageView view;
  view.topic = topic;
  view.partition = {message.partition};
  view.offset = {offset};
  view.time_ms = rd_kafka_message_timestamp(&message, nullptr);
  if (message.key != nullptr) {
    view.key = std::string_view(static_cast<const char*>(message.key), message.key_len);
  }
  view.value = std::string_view(static_cast<const char*>(message.payload), message.len);
  rd_kafka_headers_t* headers = nullptr;
  if (rd_kafka_message_headers(&message, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR) {
    const char* name = nullptr;
    const void* value = nullptr;
    size_t size = 0;
    for (size_t i = 0;
         rd_kafka_header_get_all(headers, i, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR;
         i++) {
      if (value == nullptr) continue;
      view.headers.emplace_back(name, std::string_view(static_cast<const char*>(value), size));
    }
  }
  if (heads && codec.read_head(view, *text_)) {
    heads_ = true;
  } else {
    codec.read(view, *text_);
  }
  ends_.push_back(text_->size());
  return true;
}

Cached OpenBatch::take(Partition partition) {
  Cached out;
  out.batch.partition = partition;
  out.batch.base = {base_};
  out.next = next();
  out.bytes = text_->size();
  out.heads = std::exchange(heads_, false);
  size_t begin = 0;
  for (const size_t end : ends_) {
    out.batch.records.emplace_back(text_->data() + begin, end - begin);
    begin = end;
  }
  out.batch.owner = std::move(text_);
  ends_.clear();
  return out;
}

Result<Cached> read_frame(Partition partition, const Frame& frame) {
  const auto text = std::make_shared<const std::string>(frame.data);
  Cached out;
  out.batch = {partition, Offset{frame.base}, frame.producer, frame.sequence, {}, text};
  out.next = frame.base + static_cast<int64_t>(frame.count);
  out.bytes = text->size();
  if (frame.count == 0 || frame.count > text->size() ||
      !split_records(*text, frame.count, out.batch.records)) {
    return fail(Code::kCorrupt, "a frame does not hold the records it claims");
  }
  return out;
}

int64_t take_cached(const std::deque<Cached>& in, int64_t from, size_t bytes_max, size_t& bytes,
                    std::vector<ReadBatch>& out) {
  auto at = std::ranges::upper_bound(in, from, {}, &Cached::next);
  int64_t next = from;
  for (; at != in.end() && bytes < bytes_max; ++at) {
    bytes += at->bytes;
    next = at->next;
    out.push_back(at->batch);
  }
  return next;
}

}  // namespace penstock::log::kafka
