// Sender: takes one batch into the store, however often that has to be tried.
//
// Writes the intent down, inserts, repeats with a growing pause while the store is away, and takes
// the batch apart when the store says that its rows are wrong. Runs on `loop`; one batch at a time;
// `done` runs once, when everything of the batch is stored. `stop` makes it forget the batch: what
// is written down brings it back.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "load/batch/intent.h"
#include "load/batch/intents.h"
#include "runtime/runtime.h"
#include "store/event_store.h"

namespace penstock::load {

struct SenderOptions {
  int64_t retry_ms_min = 100, retry_ms_max = 10'000;
};

class Sender {
 public:
  /// `report` is told every failure that is repeated, and an empty text when it is over.
  Sender(runtime::Loop& loop, runtime::Runtime& runtime, store::EventStore& store, Intents& intents,
         SenderOptions options, std::function<void(const std::string&)> report);
  ~Sender();

  /// `done` is told false when another one's batch came first: nothing was sent.
  using Sent = std::move_only_function<void(bool)>;
  /// `is_written`: it was found, and is repeated.
  void send(Intent intent, bool is_written, std::shared_ptr<const store::InsertBatch> batch,
            Sent done);
  bool busy() const { return batch_ != nullptr; }
  /// The insert in progress may still happen; nothing more is begun and `done` does not run.
  void stop();
  int64_t last_insert_us() const { return last_insert_us_; }

 private:
  void write_intent();
  void came_second();
  void note_split();
  void attempt();
  void insert(std::shared_ptr<const store::InsertBatch> rows,
              std::move_only_function<void(Status)> next);
  void answered(const Status& status);
  void refused(const Error& error);
  void set_row_aside(const Error& error);
  void advance();
  void again(const Error& error, void (Sender::*step)());
  void finished(bool stored);

  runtime::Loop& loop_;
  runtime::Runtime& runtime_;
  store::EventStore& store_;
  Intents& intents_;
  SenderOptions options_;
  std::function<void(const std::string&)> report_;
  Intent intent_;
  std::shared_ptr<const store::InsertBatch> batch_;  // null: idle
  Sent done_;
  int64_t retry_ms_ = 0, last_insert_us_ = 0;
  bool failing_ = false;
  uint64_t generation_ = 0;  // answers to a batch that was stopped are ignored
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace penstock::load
