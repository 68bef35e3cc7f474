// Process: the parts of a running Penstock, started and stopped in order.
//
// Owns every implementation and every loop. Start: log, state, catalog, recovery, store, load,
// definitions, ingest, replay, capture, admin; stop is the reverse, capture first, so that what was
// acknowledged is on its way or in the log. main's thread only.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "log/kafka_lease.h"
#include "main/instance.h"
#include "main/settings.h"

namespace penstock::cli {

class Process {
 public:
  /// `lease`: of an earlier one that was woken to begin anew.
  Process(Settings settings, const config::OptionTable& table, std::string data_dir,
          std::unique_ptr<log::KafkaLease> lease = nullptr);
  ~Process();

  /// Blocks until requests are accepted. The error is a sentence for the operator.
  Status start();
  /// Addresses and keys, for the banner and the instance file.
  const Instance& instance() const;
  /// Valid for an hour, once.
  Result<std::string> login_link();
  enum class Woken : uint8_t {
    kAsked,    // by SIGINT or SIGTERM
    kGaveWay,  // another process decides now (docs/KAFKA.md)
    kAnew,     // it decides other slices than before: stop, and make another one with its lease
  };
  /// Blocks until there is a reason to stop. A second signal ends the process without a drain.
  Woken wait();
  /// Drains and stops; blocks. Answers whether a signal has asked for it, perhaps since.
  bool stop();
  /// After a stop, to begin anew; null: nothing was held.
  std::unique_ptr<log::KafkaLease> take_lease();

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace penstock::cli
