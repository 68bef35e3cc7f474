// ForwardingLog: a Log that hands every call to another one.
//
// The base of whatever stands in front of a log and changes some of its answers: faults in tests
// and in simulation. Threads and failures: those of the log inside.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "log/log.h"

namespace penstock::log {

class ForwardingLog : public Log {
 public:
  explicit ForwardingLog(std::shared_ptr<Log> inner) : inner_(std::move(inner)) {}

  Status start(std::vector<TopicSpec> topics) override { return inner_->start(std::move(topics)); }
  Status ensure_topic(TopicSpec topic) override { return inner_->ensure_topic(std::move(topic)); }
  void stop() override { inner_->stop(); }
  void append(runtime::Loop& home, std::string topic, std::vector<Batch> batches,
              AppendDone done) override {
    inner_->append(home, std::move(topic), std::move(batches), std::move(done));
  }
  void fetch(runtime::Loop& home, FetchRequest request, FetchDone done) override {
    inner_->fetch(home, std::move(request), std::move(done));
  }
  Result<std::vector<PartitionBounds>> bounds(const std::string& topic) const override {
    return inner_->bounds(topic);
  }
  void ends(runtime::Loop& home, std::string topic, EndsDone done) override {
    inner_->ends(home, std::move(topic), std::move(done));
  }
  int64_t last_sequence(const std::string& topic, Partition partition,
                        uint64_t producer) const override {
    return inner_->last_sequence(topic, partition, producer);
  }
  Status commit(const std::string& group, const std::string& topic,
                std::vector<Position> positions) override {
    return inner_->commit(group, topic, std::move(positions));
  }
  std::vector<Position> committed(const std::string& group,
                                  const std::string& topic) const override {
    return inner_->committed(group, topic);
  }
  LogStats stats() const override { return inner_->stats(); }

 private:
  std::shared_ptr<Log> inner_;
};

}  // namespace penstock::log
