// AppendOnlyLog: what capture's tests need of a log beside `append`, which each does in its own
// way.
#pragma once

#include <string>
#include <vector>

#include "log/log.h"

namespace penstock::capture {

class AppendOnlyLog : public log::Log {
 public:
  explicit AppendOnlyLog(size_t partitions) : partitions_(partitions) {}

  Status start(std::vector<log::TopicSpec>) override { return {}; }
  Status ensure_topic(log::TopicSpec) override { return {}; }
  void stop() override {}
  void fetch(runtime::Loop&, log::FetchRequest, log::FetchDone) override {}
  Result<std::vector<log::PartitionBounds>> bounds(const std::string&) const override {
    return std::vector<log::PartitionBounds>(partitions_);
  }
  int64_t last_sequence(const std::string&, Partition, uint64_t) const override { return -1; }
  Status commit(const std::string&, const std::string&, std::vector<log::Position>) override {
    return {};
  }
  std::vector<log::Position> committed(const std::string&, const std::string&) const override {
    return {};
  }
  log::LogStats stats() const override { return {}; }

 private:
  size_t partitions_;
};

}  // namespace penstock::capture
