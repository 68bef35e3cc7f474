// The log on Kafka when brokers misbehave: killed and started again, standing still, one of three
// gone, two processes at once, other people's settings. Method: real brokers, started here; every
// record that was acknowledged is looked for afterwards, once.
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <mutex>
#include <thread>

#include "log/scan.h"
#include "tests/contract/kafka_logs.h"
#include "tests/contract/log_machines.h"

namespace penstock::log {
namespace {

constexpr int32_t kPartitions = 3;
constexpr char kFramed[] = "framed", kOpen[] = "open";

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
    log_ = open_kafka_log(machine_.runtime(), options_);
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
    Batch b;
    b.partition = {partition};
    b.count = 1;
    encode_record(b.data, record);
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

  /// How often every record of a topic is there.
  std::map<std::string, int> read(const std::string& topic) {
    std::map<std::string, int> out;
    std::vector<ScanRange> ranges;
    const auto bounds = log_->bounds(topic);
    EXPECT_TRUE(bounds);
    if (!bounds) return out;
    for (const PartitionBounds& b : *bounds) ranges.push_back({b.partition, b.start, b.end});
    auto slot = std::make_shared<Slot<int>>();
    scan(
        *log_, machine_.caller(), topic, ranges,
        [&out](const ScanSlice& slice) -> Status {
          for (const auto r : slice.records) out[std::string(r)]++;
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

 private:
  RealMachine machine_;
  std::unique_ptr<Log> log_;
};

/// Appends without pause from a thread of its own, as ingest would: in order, repeated until it is
/// known what became of it.
class Stream {
 public:
  explicit Stream(Writer& writer) : writer_(writer), thread_([this] { run(); }) {}
  ~Stream() { finish(); }
  void finish() {
    ending_ = true;
    if (thread_.joinable()) thread_.join();
  }
  int64_t done() const { return done_; }
  int64_t refused() const { return refused_; }
  void wait_for(int64_t more) {
    const int64_t until = done_ + more;
    for (int i = 0; i < 6000 && done_ < until; i++) ::usleep(10'000);
    EXPECT_GE(done_, until);
  }

 private:
  void run() {
    for (int64_t sequence = 1; !ending_; sequence++) {
      const auto p = static_cast<int32_t>(sequence % kPartitions);
      const std::string record = "r" + std::to_string(sequence);
      for (;;) {
        if (writer_.append(kFramed, p, record, sequence)) break;
        refused_++;
        if (writer_.log().last_sequence(kFramed, {p}, 9) >= sequence) break;
        ::usleep(20'000);
      }
      done_ = sequence;
    }
  }

  Writer& writer_;
  std::atomic<bool> ending_{false};
  std::atomic<int64_t> done_{0}, refused_{0};
  std::thread thread_;
};

void expect_each_once(const std::map<std::string, int>& there, int64_t count) {
  int64_t missing = 0, doubled = 0;
  for (int64_t i = 1; i <= count; i++) {
    const auto it = there.find("r" + std::to_string(i));
    missing += it == there.end() ? 1 : 0;
    doubled += it != there.end() && it->second != 1 ? 1 : 0;
  }
  EXPECT_EQ(missing, 0);
  EXPECT_EQ(doubled, 0);
  EXPECT_EQ(static_cast<int64_t>(there.size()), count);
}

class KafkaLogFailures : public ::testing::Test {
 protected:
  void SetUp() override {
    if (testing::KafkaServer::installed()) return;
    if (testing::KafkaServer::required()) FAIL() << "Apache Kafka is missing: tools/setup --test";
    GTEST_SKIP() << "Apache Kafka is missing: tools/setup --test";
  }
};

TEST_F(KafkaLogFailures, a_broker_that_is_killed_and_comes_back_loses_and_doubles_nothing) {
  auto& kafka = testing::shared_kafka();
  Writer writer(kafka_options(kafka));
  ASSERT_TRUE(writer.open());
  int64_t count = 0;
  {
    Stream stream(writer);
    stream.wait_for(50);
    kafka.kill_now(0);
    ::usleep(300'000);
    kafka.start(0);
    stream.wait_for(20);
    stream.finish();
    count = stream.done();
  }
  expect_each_once(writer.read(kFramed), count);
  writer.close();
  ASSERT_TRUE(writer.open());
  expect_each_once(writer.read(kFramed), count);
}

TEST_F(KafkaLogFailures, while_a_broker_stands_still_memory_is_bounded_and_clients_hear_of_it) {
  auto& kafka = testing::shared_kafka();
  Writer writer(kafka_options(kafka));
  writer.options_.append_ms_max = 500;
  writer.options_.pending_bytes_max = 1 << 20;
  ASSERT_TRUE(writer.open());
  ASSERT_TRUE(writer.append(kOpen, 0, "before"));
  kafka.freeze(0);
  int maybe = 0, busy = 0;
  std::vector<std::thread> clients;
  std::mutex mutex;
  for (int i = 0; i < 32; i++) {
    clients.emplace_back([&, i] {
      const auto got = writer.append(kOpen, i % kPartitions, std::string(100'000, 'x'));
      const std::lock_guard lock(mutex);
      ASSERT_FALSE(got);
      maybe += got.error().code == Code::kMaybe ? 1 : 0;
      busy += got.error().code == Code::kBusy ? 1 : 0;
    });
  }
  for (std::thread& t : clients) t.join();
  kafka.thaw(0);
  EXPECT_EQ(maybe + busy, 32);
  EXPECT_LE(maybe, 11);  // a mebibyte of them
  EXPECT_GE(maybe, 9);
  for (int i = 0; i < 600 && !writer.append(kOpen, 0, "after"); i++) ::usleep(20'000);
  const auto there = writer.read(kOpen);
  EXPECT_EQ(there.count("after"), 1U);
  EXPECT_EQ(there.at("before"), 1);
}

TEST_F(KafkaLogFailures, a_process_that_dies_without_stopping_is_shut_out_by_the_next) {
  auto& kafka = testing::shared_kafka();
  const KafkaLogOptions options = kafka_options(kafka);
  Writer dying(options), next(options);
  ASSERT_TRUE(dying.open());
  for (int64_t i = 1; i <= 20; i++) {
    ASSERT_TRUE(
        dying.append(kFramed, static_cast<int32_t>(i % kPartitions), "r" + std::to_string(i), i));
  }
  // The first is still there: what it writes from here on counts for nobody.
  ASSERT_TRUE(next.open());
  EXPECT_EQ(next.log().last_sequence(kFramed, {20 % kPartitions}, 9), 20);
  EXPECT_TRUE((*next.append(kFramed, 20 % kPartitions, "again", 20))[0].duplicate);
  for (int i = 0; i < 500 && dying.append(kFramed, 0, "late"); i++) ::usleep(10'000);
  EXPECT_EQ(dying.append(kFramed, 0, "later").error().code, Code::kUnavailable);
  for (int64_t i = 21; i <= 30; i++) {
    ASSERT_TRUE(
        next.append(kFramed, static_cast<int32_t>(i % kPartitions), "r" + std::to_string(i), i));
  }
  expect_each_once(next.read(kFramed), 30);
  next.close();
  dying.close();
  ASSERT_TRUE(next.open());
  expect_each_once(next.read(kFramed), 30);
}

TEST_F(KafkaLogFailures, what_the_cache_no_longer_has_is_read_from_the_broker) {
  Writer writer(kafka_options(testing::shared_kafka()));
  writer.options_.tail_cache_bytes = 3000;
  ASSERT_TRUE(writer.open());
  std::string padding(300, '.');
  for (int i = 0; i < 100; i++) {
    ASSERT_TRUE(writer.append(kFramed, 0, std::to_string(i) + padding, i + 1));
    ASSERT_TRUE(writer.append(kOpen, 0, std::to_string(i) + padding));
  }
  EXPECT_EQ(writer.read(kFramed).size(), 100U);
  EXPECT_EQ(writer.read(kOpen).size(), 100U);
  writer.close();
  ASSERT_TRUE(writer.open());  // and after a restart, when nothing is cached
  EXPECT_EQ(writer.read(kFramed).size(), 100U);
  EXPECT_EQ(writer.read(kOpen).size(), 100U);
}

TEST_F(KafkaLogFailures, a_start_without_brokers_says_so) {
  KafkaLogOptions options;
  options.brokers = "127.0.0.1:9";
  options.start_ms_max = 300;
  Writer writer(options);
  const Status started = writer.open();
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().code, Code::kUnavailable) << started.error().message;
}

TEST_F(KafkaLogFailures, brokers_that_ask_for_a_password_over_tls_get_it) {
  testing::KafkaServer kafka(1, true);
  KafkaLogOptions options = kafka_options(kafka);
  options.start_ms_max = 60'000;
  options.security = "sasl_tls";
  options.tls_ca_file = kafka.ca_file();
  options.user = "u";
  options.password = "p";
  options.sasl_mechanism = "PLAIN";
  {
    Writer writer(options);
    const Status opened = writer.open();
    ASSERT_TRUE(opened) << opened.error().message;
    EXPECT_TRUE(writer.append(kFramed, 0, "secret"));
    EXPECT_EQ(writer.read(kFramed).count("secret"), 1U);
  }
  options.start_ms_max = 2000;
  options.password = "wrong";
  EXPECT_FALSE(Writer(options).open());
  options.password = "p";
  options.tls_ca_file.clear();
  EXPECT_FALSE(Writer(options).open()) << "nobody has signed it";
}

TEST_F(KafkaLogFailures, another_number_of_partitions_is_refused) {
  auto& kafka = testing::shared_kafka();
  KafkaLogOptions options = kafka_options(kafka);
  Writer writer(options);
  ASSERT_TRUE(writer.open());
  RealMachine machine;
  auto other = open_kafka_log(machine.runtime(), options);
  TopicSpec spec;
  spec.name = kOpen;
  spec.partitions = 5;
  const Status started = other->start({spec});
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().code, Code::kInvalid);
  EXPECT_NE(started.error().message.find("log.partitions"), std::string::npos);
  other->stop();
}

TEST_F(KafkaLogFailures, of_three_brokers_one_may_be_killed) {
  testing::KafkaServer kafka(3);
  KafkaLogOptions options = kafka_options(kafka);
  options.start_ms_max = 90'000;
  options.replication = 3;
  Writer writer(options);
  const Status opened = writer.open();
  ASSERT_TRUE(opened) << opened.error().message;
  int64_t count = 0;
  {
    Stream stream(writer);
    stream.wait_for(30);
    kafka.kill_now(1);  // it leads one of the three partitions
    stream.wait_for(60);
    stream.finish();
    count = stream.done();
  }
  expect_each_once(writer.read(kFramed), count);
}

}  // namespace
}  // namespace penstock::log
