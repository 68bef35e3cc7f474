// KafkaLease: of several processes each does some things; Kafka says which.
//
// Every process joins the same consumer group on one topic, and whoever is given a partition of it
// holds that part. A member that answers nothing for `session_ms` loses all to others; one that
// comes back under its own name within that time has them again at once. It says who should begin,
// not who can go on: while the brokers are away nobody holds anything, and who acted before goes on
// until another one shuts it out (the log's fences, KafkaLogOptions::on_shut_out).
//
// A thread of its own. Errors: what making the client answers.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "log/kafka_log.h"

namespace penstock::log {

struct KafkaLeaseOptions {
  std::string group;   // behind the log's group prefix
  std::string topic;   // behind its topic prefix
  std::string member;  // this process's own name, the same after a restart
  int64_t session_ms = 6000;
  /// What is taken away for another member goes there when `give_back` is called, or after so long;
  /// 0: at once.
  int64_t give_back_ms = 0;
  int32_t first = 0;  // what the topic's first partition stands for
};

class KafkaLease {
 public:
  static Result<std::unique_ptr<KafkaLease>> join(const KafkaLogOptions& log,
                                                  const KafkaLeaseOptions& options);
  /// Ends without giving anything back: for a session long it stays with this member's name.
  virtual ~KafkaLease() = default;
  /// Waits for at most so long; whether anything is held. Blocks.
  virtual bool wait(int64_t wait_ms) = 0;
  /// What the partitions held stand for, in order, without those that are being taken away.
  virtual std::vector<int32_t> held() const = 0;
  /// Nothing is done with what was taken away any more.
  virtual void give_back() = 0;
  /// The group has shut this member out for good: join anew.
  virtual bool over() const = 0;
  /// `changed` runs on the lease's thread whenever `held` is another by what the group says; empty:
  /// nobody is told. While the group cannot be asked nobody is told either.
  virtual void on_change(std::function<void()> changed) = 0;
};

}  // namespace penstock::log
