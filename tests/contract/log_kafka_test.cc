// The log on Kafka when brokers misbehave: killed and started again, standing still, one of three
// gone, two processes at once, other people's settings. Method: real brokers, started here; every
// record that was acknowledged is looked for afterwards, once.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <map>
#include <mutex>
#include <thread>

#include "base/metrics.h"
#include "log/kafka_lease.h"
#include "tests/contract/kafka_writer.h"

namespace penstock::log {
namespace {

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

class KafkaLogFailures : public WithKafka {};

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

TEST_F(KafkaLogFailures,
       without_the_brokers_guard_what_was_acknowledged_is_there_once_and_in_order) {
  constexpr int kClients = 4;
  auto& kafka = testing::shared_kafka();
  Writer writer(kafka_options(kafka));
  writer.options_.in_flight = 200;
  writer.options_.append_ms_max = 2000;
  ASSERT_TRUE(writer.open());
  std::atomic<int> acknowledged{0};
  std::atomic<bool> ending{false};
  std::array<std::vector<std::string>, kClients> of;
  std::vector<std::thread> clients;
  for (int c = 0; c < kClients; c++) {
    clients.emplace_back([&, c] {
      // Nobody repeats: what is there twice the log has written twice.
      for (int n = 0; !ending; n++) {
        std::vector<std::string> records;
        for (int i = 0; i < 5; i++) {
          records.push_back(std::to_string(c) + " " + std::to_string(10'000'000 + 5 * n + i));
        }
        if (!writer.append_all(kOpen, c % kPartitions, records)) continue;
        acknowledged += 5;
        of[static_cast<size_t>(c)].insert(of[static_cast<size_t>(c)].end(), records.begin(),
                                          records.end());
      }
    });
  }
  const auto wait_for = [&](int more) {
    const int until = acknowledged + more;
    for (int i = 0; i < 6000 && acknowledged < until; i++) ::usleep(10'000);
    EXPECT_GE(acknowledged, until);
  };
  wait_for(500);
  kafka.kill_now(0);
  ::usleep(300'000);
  kafka.start(0);
  wait_for(500);
  // The guarded topic beside it goes its own way.
  EXPECT_TRUE(writer.append(kFramed, 0, "r1", 1));
  ending = true;
  for (std::thread& t : clients) t.join();
  std::array<std::string, kClients> last;
  for (int32_t p = 0; p < kPartitions; p++) {
    for (const std::string& record : writer.in_order(kOpen, p)) {
      const auto client = static_cast<size_t>(record[0] - '0');
      EXPECT_LT(last[client], record) << "twice, or out of order";
      last[client] = record;
    }
  }
  const auto there = writer.read(kOpen);
  for (const auto& records : of) {
    for (const std::string& record : records) EXPECT_EQ(there.count(record), 1U) << record;
  }
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
  EXPECT_LE(maybe, 11);  // a mebibyte of them, a quarter of it for what a record becomes
  EXPECT_GE(maybe, 7);
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

TEST_F(KafkaLogFailures,
       a_process_that_follows_reads_what_another_writes_and_stays_out_of_its_way) {
  const KafkaLogOptions options = kafka_options(testing::shared_kafka());
  Writer writer(options), follower(options);
  ASSERT_TRUE(writer.open());
  for (int64_t i = 1; i <= 9; i++) {
    ASSERT_TRUE(
        writer.append(kFramed, static_cast<int32_t>(i % kPartitions), "r" + std::to_string(i), i));
  }
  follower.options_.follows = true;
  follower.options_.followed_groups = {"load"};
  ASSERT_TRUE(follower.open());
  expect_each_once(follower.read(kFramed), 9);
  EXPECT_EQ(follower.append(kFramed, 0, "no").error().code, Code::kDenied);
  EXPECT_TRUE(follower.append(kOpen, 0, "both may"));
  EXPECT_TRUE(writer.append(kOpen, 0, "write there"));
  ASSERT_TRUE(writer.append(kFramed, 10 % kPartitions, "r10", 10)) << "nobody shut it out";
  ASSERT_TRUE(writer.log().commit("load", kFramed, {{{1}, {2}}}));
  const auto committed = [&] {
    const auto at = follower.log().committed("load", kFramed);
    return at.size() == 1 && at[0].partition.value == 1 && at[0].next.value == 2;
  };
  for (int i = 0; i < 500 && !(committed() && follower.read(kFramed).contains("r10")); i++) {
    ::usleep(20'000);
  }
  EXPECT_TRUE(committed());
  expect_each_once(follower.read(kFramed), 10);
  // A writer that begins while somebody follows: its fence is nothing to the follower.
  writer.close();
  ASSERT_TRUE(writer.open());
  ASSERT_TRUE(writer.append(kFramed, 11 % kPartitions, "r11", 11));
  for (int i = 0; i < 500 && !follower.read(kFramed).contains("r11"); i++) ::usleep(20'000);
  expect_each_once(follower.read(kFramed), 11);
  follower.close();
  ASSERT_TRUE(writer.append(kFramed, 12 % kPartitions, "r12", 12));
}

TEST_F(KafkaLogFailures, where_two_write_an_append_never_claims_what_another_wrote) {
  constexpr int kRounds = 40;
  constexpr uint32_t kEach = 5;
  const KafkaLogOptions options = kafka_options(testing::shared_kafka());
  Writer one(options), two(options);
  ASSERT_TRUE(one.open());
  two.options_.follows = true;
  ASSERT_TRUE(two.open());
  std::map<int64_t, std::string> claimed;
  std::mutex mutex;
  const auto write = [&](Writer& writer, const std::string& name) {
    for (int round = 0; round < kRounds; round++) {
      std::vector<std::string> records;
      for (uint32_t i = 0; i < kEach; i++) {
        records.push_back(name + std::to_string(round) + "." + std::to_string(i));
      }
      const auto done = writer.append_all(kOpen, 0, records);
      ASSERT_TRUE(done);
      const int64_t base = (*done)[0].base.value;
      const std::lock_guard lock(mutex);
      for (uint32_t i = 0; base >= 0 && i < kEach; i++) claimed[base + i] = records[i];
    }
  };
  std::thread other([&] { write(two, "two"); });
  write(one, "one");
  other.join();
  std::vector<std::string> in_order;
  for (int i = 0; i < 500 && in_order.size() < 2U * kRounds * kEach; i++) {
    if (i > 0) ::usleep(20'000);  // the last ones of the other are on their way
    in_order = one.in_order(kOpen, 0);
  }
  ASSERT_EQ(in_order.size(), 2U * kRounds * kEach);
  for (const auto& [offset, record] : claimed) {
    ASSERT_EQ(in_order[static_cast<size_t>(offset)], record) << offset;
  }
}

TEST_F(KafkaLogFailures, a_lease_is_one_members_until_it_is_away_for_a_session) {
  const KafkaLogOptions options = kafka_options(testing::shared_kafka());
  Writer writer(options);
  ASSERT_TRUE(writer.open());
  TopicSpec topic;
  topic.name = "one";
  ASSERT_TRUE(writer.log().ensure_topic(topic));
  const auto join = [&](const std::string& member) {
    auto lease = KafkaLease::join(options, {"who", "one", member, 6000});
    EXPECT_TRUE(lease);
    return lease ? std::move(*lease) : nullptr;
  };
  auto first = join("first");
  ASSERT_TRUE(first->wait(20'000));
  auto second = join("second");
  EXPECT_FALSE(second->wait(2000));
  EXPECT_TRUE(first->wait(0));
  // A restart within the session: it is nobody else's meanwhile.
  first.reset();
  first = join("first");
  EXPECT_TRUE(first->wait(5000));
  EXPECT_FALSE(second->wait(0));
  first.reset();
  EXPECT_TRUE(second->wait(20'000));
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

uint64_t old_reads_begun() {
  for (const Metric* m : all_metrics()) {
    if (m->name() == "penstock_log_kafka_old_reads_total") {
      return static_cast<const Counter*>(m)->value();
    }
  }
  ADD_FAILURE() << "no such metric";
  return 0;
}

// Two readers work on what is old; each has more here than it was asked for.
TEST_F(KafkaLogFailures, who_reads_on_is_served_from_where_it_stopped) {
  Writer writer(kafka_options(testing::shared_kafka()));
  ASSERT_TRUE(writer.open());
  const std::string padding(300, '.');
  for (int i = 0; i < 40; i++) {
    std::vector<std::string> records;
    for (int r = 0; r < 10; r++) records.push_back(std::to_string(i * 10 + r) + padding);
    for (const char* topic : {kFramed, kOpen}) {
      ASSERT_TRUE(writer.append_all(topic, i % kPartitions, records));
    }
  }
  writer.close();
  ASSERT_TRUE(writer.open());  // nothing is cached
  // Of two topics in turns, as lanes are read.
  std::map<std::string, std::vector<Position>> at;
  for (const char* topic : {kFramed, kOpen}) {
    for (int32_t p = 0; p < kPartitions; p++) at[topic].push_back({{p}, {0}});
  }
  const uint64_t before = old_reads_begun();
  int fetches = 0;
  std::map<std::string, size_t> got;
  while ((got[kFramed] < 400 || got[kOpen] < 400) && fetches < 1000) {
    for (auto& [topic, positions] : at) {
      if (got[topic] >= 400) continue;
      const auto result = writer.fetch({topic, positions, 3000});
      ASSERT_TRUE(result) << result.error().message;
      fetches++;
      for (const ReadBatch& b : result->batches) got[topic] += b.records.size();
      positions = result->next;
    }
  }
  EXPECT_EQ(got, (std::map<std::string, size_t>{{kFramed, 400}, {kOpen, 400}}));
  EXPECT_GT(fetches, 40);
  EXPECT_LE(old_reads_begun() - before, 4U) << fetches << " fetches";
}

TEST_F(KafkaLogFailures, who_waits_for_what_is_new_is_given_heads_of_what_others_decide) {
  Writer writer(kafka_options(testing::shared_kafka()));
  ASSERT_TRUE(writer.open());
  const std::vector<std::string> whole{"mine", "theirs:1", "mine too", "theirs:2"};
  const std::vector<std::string> heads{"mine", "head", "mine too", "head"};
  for (int life = 0; life < 2; life++) {  // in the second one nothing is cached
    if (life == 0) {
      ASSERT_TRUE(writer.append(kOpen, 0, whole[0]));
      EXPECT_EQ(writer.fetch_waiting(kOpen, 0).size(), 1U);  // from here on it is followed
      ASSERT_TRUE(writer.append_all(kOpen, 0, {whole.begin() + 1, whole.end()}));
    }
    std::vector<std::string> got;
    for (int i = 0; i < 600 && got != heads; i++) {
      got = writer.fetch_waiting(kOpen, 0);
      if (got != heads) ::usleep(100'000);
    }
    EXPECT_EQ(got, heads);
    EXPECT_EQ(writer.in_order(kOpen, 0), whole) << "who does not wait";
    writer.close();
    ASSERT_TRUE(writer.open());
  }
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
  options.start_ms_max = 180'000;
  options.security = "sasl_tls";
  options.tls_ca_file = kafka.ca_file();
  options.user = "u";
  options.password = "p";
  for (const char* mechanism : {"PLAIN", "SCRAM-SHA-512"}) {
    options.sasl_mechanism = mechanism;
    Writer writer(options);
    const Status opened = writer.open();
    ASSERT_TRUE(opened) << opened.error().message;
    EXPECT_TRUE(writer.append(kFramed, 0, "secret"));
    EXPECT_EQ(writer.read(kFramed).count("secret"), 1U) << mechanism;
    options.topic_prefix += "more-";
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
  options.start_ms_max = 180'000;
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
