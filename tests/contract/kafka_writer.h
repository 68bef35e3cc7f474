// A log on Kafka and what was acknowledged of what was appended to it; for tests with real brokers.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "log/scan.h"
#include "tests/contract/kafka_logs.h"
#include "tests/contract/log_machines.h"

namespace penstock::log {

/// Skipped where there is no broker, failed where there has to be one.
class WithKafka : public ::testing::Test {
 protected:
  void SetUp() override {
    if (testing::KafkaServer::installed()) return;
    if (testing::KafkaServer::required()) FAIL() << "Apache Kafka is missing: tools/setup --test";
    GTEST_SKIP() << "Apache Kafka is missing: tools/setup --test";
  }
};

/// A real machine whose wall clock may go ahead.
class ShiftedRuntime : public runtime::Runtime, private runtime::Clock {
 public:
  explicit ShiftedRuntime(runtime::Runtime& inner) : inner_(inner) {}
  runtime::Clock& clock() override { return *this; }
  runtime::Random& random() override { return inner_.random(); }
  runtime::FileSystem& files() override { return inner_.files(); }
  runtime::BlockingPool& pool() override { return inner_.pool(); }

  int64_t ahead_s = 0;

 private:
  int64_t wall_us() const override { return inner_.clock().wall_us() + ahead_s * 1'000'000; }
  int64_t mono_ns() const override { return inner_.clock().mono_ns(); }

  runtime::Runtime& inner_;
};

inline constexpr int32_t kPartitions = 3;
inline constexpr char kFramed[] = "framed", kOpen[] = "open";

class OneOpenTopic : public PlainCodec {
 public:
  bool is_open(std::string_view topic) const override { return topic == kOpen; }
};

template <typename T>
struct Slot {
  std::atomic<bool> ready{false};
  std::optional<Result<T>> value;
};

/// A log and what was acknowledged of what was appended to it.
class Writer {
 public:
  explicit Writer(KafkaLogOptions options) : options_(std::move(options)) {
    options_.codec = std::make_shared<OneOpenTopic>();
  }
  ~Writer() { close(); }

  Status open() {
    runtime_.ahead_s = clock_ahead_s;
    log_ = open_kafka_log(runtime_, options_);
    TopicSpec framed, plain;
    framed.name = kFramed;
    plain.name = kOpen;
    framed.partitions = plain.partitions = kPartitions;
    return log_->start({framed, plain});
  }
  void close() {
    if (log_) log_->stop();
    log_.reset();
  }
  Log& log() { return *log_; }

  Result<std::vector<Appended>> append(const std::string& topic, int32_t partition,
                                       const std::string& record, int64_t sequence = 0) {
    return append_all(topic, partition, {record}, sequence);
  }
  Result<std::vector<Appended>> append_all(const std::string& topic, int32_t partition,
                                           const std::vector<std::string>& records,
                                           int64_t sequence = 0) {
    Batch b;
    b.partition = {partition};
    b.count = static_cast<uint32_t>(records.size());
    for (const std::string& record : records) encode_record(b.data, record);
    b.producer = sequence > 0 ? 9 : 0;
    b.sequence = sequence;
    auto slot = std::make_shared<Slot<std::vector<Appended>>>();
    std::vector<Batch> one;
    one.push_back(std::move(b));
    log_->append(machine_.caller(), topic, std::move(one), [slot](auto result) {
      slot->value.emplace(std::move(result));
      slot->ready = true;
      slot->ready.notify_all();
    });
    slot->ready.wait(false);
    return std::move(*slot->value);
  }

  /// What a fetch that waits for what is new is given of a partition, from its first record on.
  std::vector<std::string> fetch_waiting(const std::string& topic, int32_t partition) {
    FetchRequest request{topic, {{{partition}, {0}}}};
    request.wait_ms = 20'000;
    const auto got = fetch(std::move(request));
    std::vector<std::string> out;
    EXPECT_TRUE(got);
    if (!got) return out;
    for (const ReadBatch& batch : got->batches) {
      for (const auto r : batch.records) out.emplace_back(r);
    }
    return out;
  }

  /// One fetch that does not wait.
  Result<FetchResult> fetch(FetchRequest request) {
    auto slot = std::make_shared<Slot<FetchResult>>();
    log_->fetch(machine_.caller(), std::move(request), [slot](auto result) {
      slot->value.emplace(std::move(result));
      slot->ready = true;
      slot->ready.notify_all();
    });
    slot->ready.wait(false);
    return std::move(*slot->value);
  }

  Result<std::vector<Position>> ends(const std::string& topic) {
    auto slot = std::make_shared<Slot<std::vector<Position>>>();
    log_->ends(machine_.caller(), topic, [slot](auto result) {
      slot->value.emplace(std::move(result));
      slot->ready = true;
      slot->ready.notify_all();
    });
    slot->ready.wait(false);
    return std::move(*slot->value);
  }

  /// How often every record of a topic is there.
  std::map<std::string, int> read(const std::string& topic) {
    std::map<std::string, int> out;
    for (int32_t p = 0; p < kPartitions; p++) {
      for (const std::string& record : in_order(topic, p)) out[record]++;
    }
    return out;
  }
  std::vector<std::string> in_order(const std::string& topic, int32_t partition) {
    std::vector<std::string> out;
    std::vector<ScanRange> ranges;
    const auto bounds = log_->bounds(topic);
    EXPECT_TRUE(bounds);
    if (!bounds) return out;
    for (const PartitionBounds& b : *bounds) {
      if (b.partition.value == partition) ranges.push_back({b.partition, b.start, b.end});
    }
    auto slot = std::make_shared<Slot<int>>();
    scan(
        *log_, machine_.caller(), topic, ranges,
        [&out](const ScanSlice& slice) -> Status {
          for (const auto r : slice.records) out.emplace_back(r);
          return {};
        },
        [slot](Status status) {
          slot->value.emplace(status ? Result<int>(0) : std::unexpected(status.error()));
          slot->ready = true;
          slot->ready.notify_all();
        });
    slot->ready.wait(false);
    EXPECT_TRUE(*slot->value) << slot->value->error().message;
    return out;
  }

  KafkaLogOptions options_;
  int64_t clock_ahead_s = 0;

 private:
  RealMachine machine_;
  ShiftedRuntime runtime_{machine_.runtime()};
  std::unique_ptr<Log> log_;
};

}  // namespace penstock::log
