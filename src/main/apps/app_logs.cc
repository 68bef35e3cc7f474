#include "main/apps/app_logs.h"

#include <algorithm>

namespace penstock::cli {

void AppLogs::add(admin::AppLogLine line) {
  const std::lock_guard lock(mutex_);
  Lines& of = by_config_[line.config];
  line.number = ++last_;
  of.bytes += line.message.size();
  of.lines.push_back(std::move(line));
  while (of.lines.size() > kAppLogLinesMax || of.bytes > kAppLogBytesMax) {
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
