#include "main/apps/app_logs.h"

#include <algorithm>

#include "base/codec.h"
#include "base/diag.h"

namespace penstock::cli {
namespace {

constexpr std::string_view kPrefix = "L";

std::string key_of(uint64_t number) {
  std::string out(kPrefix);
  for (int shift = 56; shift >= 0; shift -= 8) out.push_back(static_cast<char>(number >> shift));
  return out;
}

std::string value_of(const admin::AppLogLine& line) {
  std::string out;
  ByteWriter w(out);
  w.u64(line.number);
  w.i64(line.config);
  w.i64(line.time_ms);
  w.bytes(line.source);
  w.bytes(line.type);
  w.bytes(line.message);
  return out;
}

}  // namespace

Status AppLogs::open(kv::KeyValue* kept) {
  kept_ = kept;
  if (kept_ == nullptr) return {};
  const std::lock_guard lock(mutex_);
  kv::WriteBatch batch;
  PENSTOCK_CHECK(
      kept_->scan(kPrefix, kv::prefix_end(kPrefix), [&](std::string_view, std::string_view value) {
        ByteReader in(value);
        admin::AppLogLine line;
        line.number = in.u64();
        line.config = in.i64();
        line.time_ms = in.i64();
        line.source = in.bytes();
        line.type = in.bytes();
        line.message = in.bytes();
        if (!in.ok()) return true;
        last_ = std::max(last_, line.number);
        take(std::move(line), batch);
        return true;
      }));
  return batch.empty() ? Status{} : kept_->write(batch);
}

void AppLogs::add(admin::AppLogLine line) {
  const std::lock_guard lock(mutex_);
  line.number = ++last_;
  kv::WriteBatch batch;
  if (kept_ != nullptr) batch.put_moved(key_of(line.number), value_of(line));
  take(std::move(line), batch);
  if (kept_ == nullptr) return;
  if (const Status s = kept_->write(batch); !s) {
    diag::warn("an app's log line was not kept", {{"error", s.error().message}});
  }
}

void AppLogs::take(admin::AppLogLine line, kv::WriteBatch& batch) {
  Lines& of = by_config_[line.config];
  of.bytes += line.message.size();
  of.lines.push_back(std::move(line));
  while (of.lines.size() > kAppLogLinesMax || of.bytes > kAppLogBytesMax) {
    batch.erase(key_of(of.lines.front().number));
    of.bytes -= of.lines.front().message.size();
    of.lines.pop_front();
  }
}

std::vector<admin::AppLogLine> AppLogs::read(const admin::AppLogsAsked& asked) const {
  const std::lock_guard lock(mutex_);
  const auto found = by_config_.find(asked.config);
  if (found == by_config_.end()) return {};
  const auto& lines = found->second.lines;
  auto from = std::ranges::upper_bound(lines, asked.after, {}, &admin::AppLogLine::number);
  const auto newest = static_cast<ptrdiff_t>(asked.limit);
  if (lines.end() - from > newest) from = lines.end() - newest;
  return {from, lines.end()};
}

}  // namespace penstock::cli
