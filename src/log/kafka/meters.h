// What the log on Kafka shows of itself beside its counters: how far groups are behind, and how
// long brokers take to answer. Any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace penstock::log::kafka {

struct GroupLag {
  std::string group, topic;
  int32_t partition = 0;
  int64_t records = 0;  // acknowledged, or seen, and behind the group's position
};

/// Takes the place of what was shown before. There is one log of a process.
void show_lag(std::vector<GroupLag> lag);

/// Of librdkafka's statistics (JSON): a percentile ("p99") of the requests of the last interval to
/// the broker that took longest, in µs; 0: there were none.
int64_t slowest_answer_us(std::string_view statistics, std::string_view percentile);
/// The metrics made of them.
void show_statistics(std::string_view statistics);

}  // namespace penstock::log::kafka
