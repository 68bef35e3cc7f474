// BegunLog: shows a log whose topics begin at other offsets as one that begins at zero, so that the
// contract suite runs over it as it is.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "log/begin.h"
#include "log/forwarding_log.h"

namespace penstock::log {

class BegunLog : public ForwardingLog {
 public:
  BegunLog(std::unique_ptr<Log> inner, Begins begins)
      : ForwardingLog(std::move(inner)), begins_(std::move(begins)) {}

  void append(runtime::Loop& home, std::string topic, std::vector<Batch> batches,
              AppendDone done) override {
    ForwardingLog::append(
        home, topic, std::move(batches),
        [this, topic, done = std::move(done)](Result<std::vector<Appended>> got) mutable {
          for (size_t i = 0; got && i < got->size(); i++) {
            Appended& a = (*got)[i];
            if (!a.duplicate && a.base.value >= 0) a.base.value -= begin(topic, a.partition);
          }
          done(std::move(got));
        });
  }
  void fetch(runtime::Loop& home, FetchRequest request, FetchDone done) override {
    const std::string topic = request.topic;
    for (Position& p : request.positions) p.next.value += begin(topic, p.partition);
    ForwardingLog::fetch(home, std::move(request),
                         [this, topic, done = std::move(done)](Result<FetchResult> got) mutable {
                           if (got) {
                             for (ReadBatch& b : got->batches)
                               b.base.value -= begin(topic, b.partition);
                             for (Position& p : got->next)
                               p.next.value -= begin(topic, p.partition);
                           }
                           done(std::move(got));
                         });
  }
  Result<std::vector<PartitionBounds>> bounds(const std::string& topic) const override {
    auto got = ForwardingLog::bounds(topic);
    for (size_t i = 0; got && i < got->size(); i++) {
      PartitionBounds& b = (*got)[i];
      b.start.value -= begin(topic, b.partition);
      b.end.value -= begin(topic, b.partition);
    }
    return got;
  }
  void ends(runtime::Loop& home, std::string topic, EndsDone done) override {
    ForwardingLog::ends(
        home, topic,
        [this, topic, done = std::move(done)](Result<std::vector<Position>> got) mutable {
          for (size_t i = 0; got && i < got->size(); i++) {
            (*got)[i].next.value -= begin(topic, (*got)[i].partition);
          }
          done(std::move(got));
        });
  }
  Status commit(const std::string& group, const std::string& topic,
                std::vector<Position> positions) override {
    for (Position& p : positions) p.next.value += begin(topic, p.partition);
    return ForwardingLog::commit(group, topic, std::move(positions));
  }
  std::vector<Position> committed(const std::string& group,
                                  const std::string& topic) const override {
    auto got = ForwardingLog::committed(group, topic);
    for (Position& p : got) p.next.value -= begin(topic, p.partition);
    return got;
  }

 private:
  int64_t begin(const std::string& topic, Partition p) const {
    const auto it = begins_.find(topic);
    const auto at = static_cast<size_t>(p.value);
    return it == begins_.end() || at >= it->second.base.size() ? 0 : it->second.base[at];
  }

  const Begins begins_;
};

}  // namespace penstock::log
