// What the tests of this room share: a log that answers when the test says so, and a shard's
// service over it whose answers are kept.
#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "capture/capture.h"
#include "capture/testing/append_only_log.h"
#include "event/lane.h"
#include "event/raw_record.h"
#include "runtime/sim_runtime.h"

namespace penstock::capture::testing {

/// A log whose appends are answered when the test says so.
class HeldLog : public AppendOnlyLog {
 public:
  HeldLog() : AppendOnlyLog(4) {}

  struct Append {
    std::string topic;
    std::vector<log::Batch> batches;
    log::AppendDone done;
  };

  void append(runtime::Loop&, std::string topic, std::vector<log::Batch> batches,
              log::AppendDone done) override {
    held.push_back({std::move(topic), std::move(batches), std::move(done)});
  }

  void answer(const Status& status) {
    Append append = std::move(held.front());
    held.pop_front();
    if (!status) return append.done(std::unexpected(status.error()));
    std::vector<log::Appended> out;
    for (const log::Batch& b : append.batches) out.push_back({b.partition, Offset{0}, false});
    append.done(std::move(out));
  }
  std::deque<Append> held;
};

std::string gzip(std::string_view text);

/// What a client saw; status 0 while it waits.
struct Answer {
  int status = 0;
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;
};

class ServiceTest : public ::testing::Test {
 protected:
  using Headers = std::vector<std::pair<std::string, std::string>>;

  void SetUp() override { make({}); }

  void make(const CaptureOptions& options);
  std::shared_ptr<Answer> ask(std::string_view method, std::string_view path, std::string_view body,
                              const Headers& headers);
  void turn() { runtime_.run_for(std::chrono::milliseconds(1)); }

  /// The raw records of all appends that wait, in order; valid while these wait.
  std::vector<event::RawRecord> held_records() const;
  /// Ends the turn and lets the log take everything.
  void land();

  runtime::SimRuntime runtime_{1};
  runtime::Loop& loop_ = runtime_.make_loop();
  HeldLog log_;
  std::unique_ptr<catalog::Catalog> catalog_ = catalog::make_memory_catalog(runtime_);
  std::unique_ptr<CaptureService> service_;
  PaddedBuffer body_;
  std::string peer_ = "192.0.2.7";
  bool body_too_large_ = false;
};

}  // namespace penstock::capture::testing
