// Process: the parts of a running Penstock, started and stopped in order.
//
// Owns every implementation and every loop. Start: log, state, catalog, recovery, store, load,
// definitions, ingest, replay, capture, admin; stop is the reverse, capture first, so that what was
// acknowledged is on its way or in the log. main's thread only.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "main/instance.h"
#include "main/settings.h"

namespace penstock::cli {

class Process {
 public:
  Process(Settings settings, const config::OptionTable& table, std::string data_dir);
  ~Process();

  /// Blocks until requests are accepted. The error is a sentence for the operator.
  Status start();
  /// Addresses and keys, for the banner and the instance file.
  const Instance& instance() const;
  /// Valid for an hour, once.
  Result<std::string> login_link();
  /// Blocks until SIGINT or SIGTERM, once. A second signal ends the process without a drain.
  void wait_for_signal();
  /// Drains and stops; blocks.
  void stop();

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace penstock::cli
