// The log's topics, how many partitions each has, and who reads it: retention waits for these
// groups.
#pragma once

#include <vector>

#include "log/log.h"
#include "main/settings.h"

namespace penstock::cli {

std::vector<log::TopicSpec> topics_of(const Settings& settings);
/// Those that ClickHouse reads, for Kafka; of one that is there already nothing changes.
std::vector<log::TopicSpec> published_topics(const Settings& settings);

}  // namespace penstock::cli
