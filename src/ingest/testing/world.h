// World: log, stores, catalog and Ingest on a simulated runtime, which can be killed and reborn.
//
// For tests of whole cycles. The log object survives a crash; ledger and persons lose a tail of
// what they had not flushed, as their real engines may.
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "catalog/catalog.h"
#include "event/raw_record.h"
#include "ingest/ingest.h"
#include "kv/memory_kv.h"
#include "ledger/ledger.h"
#include "log/forwarding_log.h"
#include "persons/person_store.h"
#include "runtime/sim_runtime.h"

namespace penstock::ingest::testing {

/// A Log that sometimes refuses, or answers "maybe", to appends of the processed topic.
class FaultyLog : public log::ForwardingLog {
 public:
  FaultyLog(std::unique_ptr<log::Log> inner, uint64_t seed)
      : ForwardingLog(std::move(inner)), random_(seed) {}

  int percent = 0;  // of appends to `processed` that fail

  void append(runtime::Loop& home, std::string topic, std::vector<log::Batch> batches,
              log::AppendDone done) override;
  Result<std::vector<log::PartitionBounds>> bounds(const std::string& topic) const override {
    auto out = ForwardingLog::bounds(topic);
    if (out && topic == event::kTopicProcessed) {
      for (log::PartitionBounds& b : *out) b.start = std::max(b.start, kept_from_[b.partition]);
    }
    return out;
  }
  /// As if retention had deleted what `processed` holds.
  void forget_processed() {
    const auto now = bounds(std::string(event::kTopicProcessed));
    for (const log::PartitionBounds& b : *now) kept_from_[b.partition] = b.end;
  }

 private:
  std::mt19937_64 random_;
  mutable std::map<Partition, Offset> kept_from_;
};

struct Sent {
  Uuid uuid;
  std::string distinct_id, event, token;
  event::Lane lane{};
  std::string placed_as{};  // where lanes are apart, as if it had this token
};

class World {
 public:
  static constexpr int32_t kPartitions = 3;

  explicit World(uint64_t seed, IngestOptions options = {});
  ~World();

  /// Recovers the stores and starts ingest.
  void start();
  /// Ends without a word; the stores lose a tail.
  void crash(uint64_t seed);
  void stop();
  /// Appends to a raw topic as capture does; `report`: tells the ledger.
  void send(const std::vector<Sent>& events, const std::string& data = R"({"properties":{}})",
            bool report = true);
  /// As capture tells of refused requests.
  void refuse(const event::RefusalCount& count);
  /// Appends what people ask for; answers its id.
  Uuid command(std::string_view kind, const std::string& body, ProjectId project = {1});
  struct Report {
    std::string state, report;
  };
  /// Until the command is done.
  Report report_of(const Uuid& command, ProjectId project = {1});
  /// Until every raw record is decided and applied.
  void settle();
  void run_ms(int64_t ms) { runtime_.run_for(std::chrono::milliseconds(ms)); }
  void create_project(const std::string& token);
  /// What the next life decides of `slice_count`.
  void decide_slices(std::vector<int32_t> slices) { options_.slices = std::move(slices); }
  void forget_processed() { log_->forget_processed(); }

  /// Everything in the processed topic, by partition, decoded from the bytes kept here.
  std::vector<std::vector<std::string>> processed();
  std::vector<std::vector<std::string>> read(const std::string& topic);

  FaultyLog& log() { return *log_; }
  ledger::Ledger& ledger() { return *ledger_; }
  persons::PersonStore& persons() { return *persons_; }
  catalog::Catalog& catalog() { return *catalog_; }
  Ingest& ingest() { return *ingest_; }
  runtime::SimRuntime& runtime() { return runtime_; }
  runtime::Loop& loop() { return loop_; }

 private:
  runtime::SimRuntime runtime_;
  runtime::Loop& loop_;
  IngestOptions options_;
  std::unique_ptr<FaultyLog> log_;
  std::unique_ptr<catalog::Catalog> catalog_;
  std::shared_ptr<kv::MemoryKv> ledger_kv_, cookieless_kv_, persons_kv_;
  std::unique_ptr<ledger::Ledger> ledger_;
  std::unique_ptr<persons::PersonStore> persons_;
  std::unique_ptr<CookielessStore> cookieless_;
  std::unique_ptr<Ingest> ingest_;
  uint64_t commands_ = 1;
};

}  // namespace penstock::ingest::testing
