// The log's topics, how many partitions each has, and who reads it: retention waits for these
// groups.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "log/log.h"
#include "main/settings.h"

namespace penstock::cli {

/// Topics whose partitions stand for slices that some processes share.
inline constexpr std::string_view kSlicesPrefix = "slices_";
/// Whose partitions stand for the slices that are handed out to the processes with the same
/// `process.slices`. It is never written to, unless it is the one of commands.
std::string lease_topic(const Settings& settings);
std::vector<log::TopicSpec> topics_of(const Settings& settings);
/// Those that ClickHouse reads, for Kafka; of one that is there already nothing changes.
std::vector<log::TopicSpec> published_topics(const Settings& settings);

}  // namespace penstock::cli
