// Reading single records out of the log, for answers that name places in it.
//
// Runs on the admin loop. A place that the log has deleted, or that cannot be read, answers
// nothing: whoever asks says so. The Log must outlive the reading.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "log/log.h"
#include "runtime/runtime.h"

namespace penstock::admin {

struct LogPlace {
  std::string topic;
  Partition partition;
  Offset offset;
};
/// One answer for each place, in order.
using LogRecords = std::vector<std::optional<std::string>>;
void read_records(log::Log& log, runtime::Loop& loop, std::vector<LogPlace> places,
                  std::move_only_function<void(LogRecords)> done);

}  // namespace penstock::admin
