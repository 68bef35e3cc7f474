// Contract of log::Log, over every implementation: records in order at dense offsets, atomic
// appends, duplicates told by their sequence, readers from anywhere, positions of groups, and for
// durable engines restart, retention and a full disk. Method: the same cases against a fresh log of
// each engine; the embedded one on the machine's disk and on a simulated one, the one on Kafka with
// framed topics and with open ones ("kafka_open"), each test with topics of its own on a broker
// that is started here. "…_begun": topics that go on where another log's ended.
#include <gtest/gtest.h>

#include <atomic>
#include <optional>
#include <string>

#include "log/embedded_log.h"
#include "log/memory_log.h"
#include "log/testing/batch.h"
#include "tests/contract/begun_log.h"
#include "tests/contract/kafka_logs.h"
#include "tests/contract/log_machines.h"

namespace penstock::log {
namespace {

constexpr char kLane[] = "lane";
constexpr int32_t kPartitions = 3;

/// An answer that arrives later.
template <typename T>
class Pending {
 public:
  explicit Pending(Machine& machine) : machine_(machine), slot_(std::make_shared<Slot>()) {}
  auto callback() {
    return [slot = slot_](Result<T> result) {
      slot->value.emplace(std::move(result));
      slot->ready = true;
      slot->ready.notify_all();
    };
  }
  bool ready() const { return slot_->ready; }
  Result<T> get() {
    machine_.wait(slot_->ready);
    if (!slot_->value) return fail(Code::kBug, "no answer");
    return std::move(*slot_->value);
  }

 private:
  struct Slot {
    std::atomic<bool> ready{false};
    std::optional<Result<T>> value;
  };
  Machine& machine_;
  std::shared_ptr<Slot> slot_;
};

class LogContract : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (on_kafka()) {
      if (!testing::KafkaServer::installed() && testing::KafkaServer::required()) {
        FAIL() << "Apache Kafka is not installed: tools/setup --test";
      }
      if (!testing::KafkaServer::installed()) {
        GTEST_SKIP() << "Apache Kafka is not installed: tools/setup --test";
      }
      kafka_ = kafka_options(testing::shared_kafka());
      if (engine().starts_with("kafka_open")) kafka_.codec = std::make_shared<PlainCodec>();
    }
    if (engine() == "embedded" || on_kafka()) {
      machine_ = std::make_unique<RealMachine>();
    } else {
      machine_ = std::make_unique<SimMachine>();
    }
    options_.segment_bytes = 1U << 20;
    options_.free_reserve_bytes = 0;
    options_.housekeeping_ms = 20;
    options_.waiters_max = 4;
    if (engine().ends_with("_begun")) {
      options_.begins[kLane].base = {1'000, 0, 7};
      options_.begins["other"].base = {5'000'000'000};
      kafka_.begins = options_.begins;
    }
    spec_.name = kLane;
    spec_.partitions = kPartitions;
    open();
  }
  void TearDown() override {
    if (log_) log_->stop();
    log_.reset();
    machine_.reset();
  }

  std::string_view engine() const { return GetParam(); }
  bool on_kafka() const { return engine().starts_with("kafka"); }
  bool durable() const { return engine() != "memory"; }
  runtime::SimRuntime* sim() {
    auto* machine = dynamic_cast<SimMachine*>(machine_.get());
    return machine == nullptr ? nullptr : &machine->sim();
  }

  void open() {
    options_.directory = machine_->directory();
    kafka_.pending_bytes_max = options_.pending_bytes_max;
    kafka_.waiters_max = options_.waiters_max;
    log_ = on_kafka()  ? open_kafka_log(machine_->runtime(), kafka_)
           : durable() ? open_embedded_log(machine_->runtime(), machine_->home(), options_)
                       : make_memory_log(machine_->runtime());
    if (engine().ends_with("_begun")) {
      log_ = std::make_unique<BegunLog>(std::move(log_), options_.begins);
    }
    TopicSpec other;
    other.name = "other";
    const Status started = log_->start({spec_, other});
    ASSERT_TRUE(started) << started.error().message;
  }
  void restart() {
    log_->stop();
    log_.reset();
    open();
  }

  Pending<std::vector<Appended>> begin_append(std::vector<Batch> batches,
                                              const std::string& topic = kLane) {
    Pending<std::vector<Appended>> out(*machine_);
    log_->append(machine_->caller(), topic, std::move(batches), out.callback());
    return out;
  }
  Result<std::vector<Appended>> append(std::vector<Batch> batches,
                                       const std::string& topic = kLane) {
    return begin_append(std::move(batches), topic).get();
  }
  Pending<FetchResult> begin_fetch(std::vector<Position> positions, int64_t wait_ms = 0,
                                   size_t bytes_max = 4U << 20) {
    Pending<FetchResult> out(*machine_);
    log_->fetch(machine_->caller(), {kLane, std::move(positions), bytes_max, wait_ms},
                out.callback());
    return out;
  }
  Result<FetchResult> fetch(std::vector<Position> positions, int64_t wait_ms = 0,
                            size_t bytes_max = 4U << 20) {
    return begin_fetch(std::move(positions), wait_ms, bytes_max).get();
  }

  /// All records of a partition from an offset on, in several fetches.
  std::vector<std::string> read(int32_t partition, int64_t from = 0, size_t bytes_max = 4U << 20) {
    std::vector<std::string> out;
    Position at{{partition}, {from}};
    for (;;) {
      const auto got = fetch({at}, 0, bytes_max);
      EXPECT_TRUE(got) << (got ? "" : got.error().message);
      if (!got || got->batches.empty()) return out;
      for (const ReadBatch& b : got->batches) {
        EXPECT_EQ(b.partition.value, partition);
        for (size_t i = 0; i < b.records.size(); i++) {
          const int64_t offset = b.base.value + static_cast<int64_t>(i);
          if (offset < at.next.value) continue;
          EXPECT_EQ(offset, at.next.value);
          at.next.value = offset + 1;
          out.emplace_back(b.records[i]);
        }
      }
      EXPECT_EQ(got->next.front().next, at.next);
    }
  }
  Result<std::vector<Position>> ends(const std::string& topic) {
    Pending<std::vector<Position>> out(*machine_);
    log_->ends(machine_->caller(), topic, out.callback());
    return out.get();
  }
  int64_t end(int32_t partition) { return (*log_->bounds(kLane))[partition].end.value; }
  int64_t start(int32_t partition) { return (*log_->bounds(kLane))[partition].start.value; }

  EmbeddedLogOptions options_;
  KafkaLogOptions kafka_;
  TopicSpec spec_;
  std::unique_ptr<Machine> machine_;
  std::unique_ptr<Log> log_;
};

class DurableLogContract : public LogContract {};

TEST_P(LogContract, records_come_back_in_order_at_dense_offsets) {
  const auto first = append({batch_of(0, {"a", "b"}), batch_of(2, {"x"})});
  ASSERT_TRUE(first);
  ASSERT_EQ(first->size(), 2U);
  EXPECT_EQ((*first)[0].base.value, 0);
  EXPECT_EQ((*first)[1].partition.value, 2);
  const auto second = append({batch_of(0, {std::string("c\0d", 3), ""})});
  ASSERT_TRUE(second);
  EXPECT_EQ((*second)[0].base.value, 2);
  EXPECT_EQ(read(0), (std::vector<std::string>{"a", "b", std::string("c\0d", 3), ""}));
  EXPECT_TRUE(read(1).empty());
  EXPECT_EQ(read(2), std::vector<std::string>{"x"});
  EXPECT_EQ(end(0), 4);
  EXPECT_EQ(end(2), 1);
}

TEST_P(LogContract, ends_are_behind_all_that_is_acknowledged) {
  for (const int64_t n : {1, 2, 3}) {
    ASSERT_TRUE(append({batch_of(0, {"a"}), batch_of(2, {"x", "y"})}));
    const auto got = ends(kLane);
    ASSERT_TRUE(got) << got.error().message;
    ASSERT_EQ(got->size(), static_cast<size_t>(kPartitions));
    EXPECT_EQ(got->at(0).next.value, n);
    EXPECT_EQ(got->at(1).next.value, 0);
    EXPECT_EQ(got->at(2).next.value, 2 * n);
  }
  EXPECT_EQ(ends("nowhere").error().code, Code::kNotFound);
}

TEST_P(LogContract, a_text_that_its_maker_keeps_is_stored_like_any_other) {
  auto text = std::make_shared<std::string>();
  Batch shared = batch_of(1, {"a", "bc", ""});
  *text = std::move(shared.data);
  shared.data.clear();
  shared.shared = text;
  Batch told = shared;
  told.ends = {2, 5, 6};
  ASSERT_TRUE(append({shared, batch_of(1, {"d"}), told}));
  EXPECT_EQ(read(1), (std::vector<std::string>{"a", "bc", "", "d", "a", "bc", ""}));
  EXPECT_EQ(text->size(), 6U);
  Batch bad = shared;
  bad.count = 4;
  EXPECT_FALSE(append({bad}));
}

TEST_P(LogContract, appends_are_acknowledged_in_order_when_many_are_under_way) {
  std::vector<Pending<std::vector<Appended>>> waiting;
  for (int i = 0; i < 300; i++) {
    waiting.push_back(begin_append({batch_of(i % kPartitions, {std::to_string(i)})}));
  }
  for (int i = 0; i < 300; i++) {
    const auto got = waiting[static_cast<size_t>(i)].get();
    ASSERT_TRUE(got);
    EXPECT_EQ((*got)[0].base.value, i / kPartitions);
  }
  const auto records = read(1);
  ASSERT_EQ(records.size(), 100U);
  EXPECT_EQ(records[99], "298");
}

TEST_P(LogContract, an_append_is_stored_whole_or_not_at_all) {
  Batch wrong = batch_of(1, {"y"});
  wrong.count = 2;
  EXPECT_EQ(append({batch_of(0, {"x"}), wrong}).error().code, Code::kInvalid);
  EXPECT_EQ(append({batch_of(0, {"x"}), batch_of(kPartitions, {"y"})}).error().code,
            Code::kInvalid);
  Batch empty = batch_of(0, {});
  EXPECT_EQ(append({batch_of(0, {"x"}), empty}).error().code, Code::kInvalid);
  Batch large = batch_of(0, {std::string(kBatchBytesMax, 'x')});
  EXPECT_EQ(append({large}).error().code, Code::kInvalid);
  EXPECT_EQ(append({batch_of(0, {"x"})}, "nowhere").error().code, Code::kNotFound);
  EXPECT_TRUE(read(0).empty());
  EXPECT_EQ(end(0), 0);
}

TEST_P(LogContract, the_largest_record_is_stored) {
  const std::string large(kRecordBytesMax, 'r');
  ASSERT_TRUE(append({batch_of(0, {large})}));
  ASSERT_TRUE(append({batch_of(0, {"after"})}));
  const auto records = read(0);
  ASSERT_EQ(records.size(), 2U);
  EXPECT_TRUE(records[0] == large);
}

TEST_P(LogContract, a_repeated_sequence_is_acknowledged_and_not_stored) {
  if (engine().starts_with("kafka_open")) {
    EXPECT_EQ(append({batch_of(0, {"a"}, 7, 10)}).error().code, Code::kInvalid);
    return;
  }
  ASSERT_TRUE(append({batch_of(0, {"a"}, 7, 10), batch_of(1, {"b"}, 7, 10)}));
  const auto again = append({batch_of(0, {"a"}, 7, 10), batch_of(1, {"c"}, 7, 11)});
  ASSERT_TRUE(again);
  EXPECT_TRUE((*again)[0].duplicate);
  EXPECT_FALSE((*again)[1].duplicate);
  EXPECT_EQ((*again)[1].base.value, 1);
  const auto all_old = append({batch_of(0, {"a"}, 7, 9)});
  ASSERT_TRUE(all_old);
  EXPECT_TRUE((*all_old)[0].duplicate);
  EXPECT_FALSE((*append({batch_of(0, {"other producer"}, 8, 1)}))[0].duplicate);
  EXPECT_EQ(log_->last_sequence(kLane, {0}, 7), 10);
  EXPECT_EQ(log_->last_sequence(kLane, {1}, 7), 11);
  EXPECT_EQ(log_->last_sequence(kLane, {2}, 7), -1);
  EXPECT_EQ(read(0).size(), 2U);
  EXPECT_EQ(read(1), (std::vector<std::string>{"b", "c"}));
}

TEST_P(LogContract, a_sequence_repeated_while_the_first_is_under_way_is_stored_once) {
  if (engine().starts_with("kafka_open")) GTEST_SKIP() << "no producers there";
  auto first = begin_append({batch_of(0, {"a"}, 7, 1)});
  auto second = begin_append({batch_of(0, {"a"}, 7, 1)});
  ASSERT_TRUE(first.get());
  const auto repeated = second.get();
  ASSERT_TRUE(repeated);
  EXPECT_TRUE((*repeated)[0].duplicate);
  EXPECT_EQ(read(0), std::vector<std::string>{"a"});
}

TEST_P(LogContract, reading_begins_anywhere_and_a_small_bound_still_makes_progress) {
  std::vector<std::string> all;
  for (int i = 0; i < 40; i++) {
    std::vector<std::string> records;
    for (int j = 0; j < 5; j++)
      records.push_back(std::to_string(i * 5 + j) + std::string(200, '.'));
    all.insert(all.end(), records.begin(), records.end());
    ASSERT_TRUE(append({batch_of(0, records), batch_of(1, {"between"})}));
  }
  for (const int64_t from : {0, 1, 4, 5, 99, 199, 200}) {
    EXPECT_EQ(read(0, from), std::vector<std::string>(all.begin() + from, all.end()));
  }
  EXPECT_EQ(read(0, 0, 1), all);
}

TEST_P(LogContract, several_partitions_are_read_at_once) {
  ASSERT_TRUE(append({batch_of(0, {"a"}), batch_of(1, {"b", "c"}), batch_of(2, {"d"})}));
  std::vector<Position> at = {{{0}, {0}}, {{1}, {1}}, {{2}, {1}}};
  size_t records = 0;
  // One that is far away may bring them one after the other.
  for (int turns = 0; turns < 3 && records < 2; turns++) {
    const auto got = fetch(at, turns == 0 ? 0 : 60'000);
    ASSERT_TRUE(got);
    for (const auto& b : got->batches) {
      EXPECT_NE(b.partition.value, 2);
      // A batch may begin before the asked position.
      for (size_t i = 0; i < b.records.size(); i++) {
        const int64_t offset = b.base.value + static_cast<int64_t>(i);
        records += offset >= (b.partition.value == 0 ? 0 : 1) ? 1 : 0;
      }
    }
    at = got->next;
    ASSERT_EQ(at.size(), 3U);
  }
  EXPECT_EQ(records, 2U);
  EXPECT_EQ(at[0].next.value, 1);
  EXPECT_EQ(at[1].next.value, 2);
  EXPECT_EQ(at[2].next.value, 1);
}

TEST_P(LogContract, positions_outside_the_log_are_refused) {
  ASSERT_TRUE(append({batch_of(0, {"a"})}));
  EXPECT_EQ(fetch({{{0}, {-1}}}).error().code, Code::kNotFound);
  EXPECT_EQ(fetch({{{0}, {2}}}).error().code, Code::kInvalid);
  EXPECT_EQ(fetch({{{kPartitions}, {0}}}).error().code, Code::kInvalid);
  EXPECT_EQ(log_->bounds("nowhere").error().code, Code::kNotFound);
}

TEST_P(LogContract, a_fetch_waits_for_the_first_record) {
  auto waiting = begin_fetch({{{0}, {0}}, {{1}, {0}}}, 600'000);
  auto elsewhere = begin_fetch({{{2}, {0}}}, 600'000);
  ASSERT_TRUE(append({batch_of(1, {"late"})}));
  const auto got = waiting.get();
  ASSERT_TRUE(got);
  ASSERT_EQ(got->batches.size(), 1U);
  EXPECT_EQ(got->batches[0].records[0], "late");
  EXPECT_FALSE(elsewhere.ready());
  ASSERT_TRUE(append({batch_of(2, {"later"})}));
  EXPECT_EQ(elsewhere.get()->batches.size(), 1U);
}

TEST_P(LogContract, patience_ends) {
  const auto got = fetch({{{0}, {0}}}, 5);
  ASSERT_TRUE(got);
  EXPECT_TRUE(got->batches.empty());
  EXPECT_EQ(got->next[0].next.value, 0);
}

TEST_P(LogContract, positions_of_groups_are_kept_apart) {
  EXPECT_TRUE(log_->committed("g", kLane).empty());
  ASSERT_TRUE(log_->commit("g", kLane, {{{0}, {3}}}));
  ASSERT_TRUE(log_->commit("g", kLane, {{{2}, {5}}, {{0}, {4}}}));
  ASSERT_TRUE(log_->commit("h", kLane, {{{0}, {1}}}));
  const auto g = log_->committed("g", kLane);
  ASSERT_EQ(g.size(), 2U);
  EXPECT_EQ(g[0].next.value, 4);
  EXPECT_EQ(g[1].partition.value, 2);
  EXPECT_EQ(log_->committed("h", kLane)[0].next.value, 1);
  EXPECT_TRUE(log_->committed("g", "other").empty());
}

TEST_P(LogContract, after_stop_everything_is_cancelled) {
  ASSERT_TRUE(append({batch_of(0, {"a"})}));
  auto waiting = begin_fetch({{{1}, {0}}}, 600'000);
  // An answer from the same loops: the fetch has arrived before the log stops.
  ASSERT_TRUE(append({batch_of(0, {"b"})}));
  log_->stop();
  EXPECT_EQ(waiting.get().error().code, Code::kCancelled);
  EXPECT_EQ(append({batch_of(0, {"c"})}).error().code, Code::kCancelled);
  EXPECT_EQ(fetch({{{0}, {0}}}).error().code, Code::kCancelled);
}

TEST_P(LogContract, a_topic_can_be_added_while_it_runs) {
  TopicSpec late;
  late.name = "late";
  late.partitions = 2;
  EXPECT_EQ(log_->bounds("late").error().code, Code::kNotFound);
  EXPECT_EQ(append({batch_of(1, {"x"})}, "late").error().code, Code::kNotFound);
  ASSERT_TRUE(log_->ensure_topic(late));
  ASSERT_EQ(log_->bounds("late")->size(), 2U);
  ASSERT_TRUE(append({batch_of(1, {"x"})}, "late"));
  late.partitions = 7;
  ASSERT_TRUE(log_->ensure_topic(late));
  ASSERT_EQ(log_->bounds("late")->size(), 2U) << "it stays as it is";
  ASSERT_TRUE(append({batch_of(1, {"y"}), batch_of(0, {"z"})}, "late"));
  EXPECT_EQ((*log_->bounds("late"))[1].end.value, 2);
  ASSERT_TRUE(log_->ensure_topic(spec_));
  EXPECT_EQ(end(0), 0);
  log_->stop();
  TopicSpec later;
  later.name = "later";
  EXPECT_EQ(log_->ensure_topic(later).error().code, Code::kCancelled);
}

TEST_P(DurableLogContract, an_added_topic_is_there_after_a_restart) {
  TopicSpec late;
  late.name = "late";
  late.partitions = 2;
  ASSERT_TRUE(log_->ensure_topic(late));
  ASSERT_TRUE(append({batch_of(1, {"x", "y"})}, "late"));
  restart();
  EXPECT_EQ(log_->bounds("late").error().code, Code::kNotFound);
  ASSERT_TRUE(log_->ensure_topic(late));
  EXPECT_EQ((*log_->bounds("late"))[1].end.value, 2);
  EXPECT_EQ((*append({batch_of(1, {"z"})}, "late"))[0].base.value, 2);
  TopicSpec wrong;
  wrong.name = "no/folder";
  EXPECT_EQ(log_->ensure_topic(wrong).error().code, Code::kInvalid);
}

TEST_P(LogContract, stats_count_what_was_appended) {
  ASSERT_TRUE(append({batch_of(0, {"a", "b"}), batch_of(1, {"c"})}));
  const LogStats stats = log_->stats();
  EXPECT_EQ(stats.appended_records, 3U);
  EXPECT_GE(stats.commits, 1U);
  EXPECT_FALSE(stats.disk_full);
}

TEST_P(DurableLogContract, a_restart_changes_nothing) {
  const uint64_t producer = engine().starts_with("kafka_open") ? 0 : 5;
  std::vector<std::string> all;
  for (int i = 0; i < 30; i++) {
    all.push_back(std::to_string(i) + std::string(100'000, 'v'));  // several segments
    ASSERT_TRUE(append({batch_of(0, {all.back()}, producer, i), batch_of(1, {"s"})}));
  }
  ASSERT_TRUE(log_->commit("g", kLane, {{{1}, {17}}}));
  restart();
  EXPECT_EQ(end(0), 30);
  EXPECT_EQ(end(1), 30);
  EXPECT_EQ(log_->last_sequence(kLane, {0}, 5), producer == 0 ? -1 : 29);
  ASSERT_EQ(log_->committed("g", kLane).size(), 1U);
  EXPECT_EQ(log_->committed("g", kLane)[0].next.value, 17);
  EXPECT_TRUE(read(0) == all);
  EXPECT_EQ(read(0, 12, 1).size(), 18U);
  if (producer == 0) return;
  EXPECT_TRUE((*append({batch_of(0, {"again"}, 5, 29)}))[0].duplicate);
  EXPECT_EQ((*append({batch_of(0, {"new"}, 5, 30)}))[0].base.value, 30);
}

TEST_P(DurableLogContract, what_was_accepted_before_stop_has_an_answer_and_holds) {
  std::vector<Pending<std::vector<Appended>>> waiting;
  for (int i = 0; i < 50; i++) {
    waiting.push_back(begin_append({batch_of(0, {std::string(10'000, 'x')})}));
  }
  log_->stop();
  int64_t acknowledged = 0;
  for (auto& w : waiting) {
    const auto got = w.get();
    if (got) acknowledged++;
    if (!got) {
      EXPECT_EQ(got.error().code, Code::kCancelled);
    }
  }
  log_.reset();
  open();
  EXPECT_GE(end(0), acknowledged);
  // Where `stop` may wait, nothing that arrived before it is refused.
  if (sim() == nullptr) {
    EXPECT_EQ(acknowledged, 50);
  }
}

TEST_P(DurableLogContract, too_much_waiting_is_refused_as_busy) {
  log_->stop();
  options_.pending_bytes_max = 300'000;
  options_.block_bytes_max = 100'000;
  open();
  std::vector<Pending<std::vector<Appended>>> waiting;
  for (int i = 0; i < 100; i++) {
    waiting.push_back(begin_append({batch_of(0, {std::string(50'000, 'x')})}));
  }
  int busy = 0, stored = 0;
  for (auto& w : waiting) {
    const auto got = w.get();
    if (got) stored++;
    if (!got) {
      EXPECT_EQ(got.error().code, Code::kBusy);
      busy++;
    }
  }
  EXPECT_GT(busy, 0);
  EXPECT_GT(stored, 0);
  EXPECT_EQ(end(0), stored);
  EXPECT_TRUE(append({batch_of(0, {"later"})}));
  // Larger than all that may wait: taken when nothing does.
  EXPECT_TRUE(append({batch_of(0, {std::string(1'000'000, 'x')})}));
}

TEST_P(DurableLogContract, retention_waits_for_the_groups_that_need_the_records) {
  if (on_kafka()) GTEST_SKIP() << "Kafka deletes by its own rules (decision 0017)";
  log_->stop();
  spec_.retention_bytes = 3U << 20;
  spec_.required_groups = {"reader"};
  open();
  const auto fill = [this] {
    for (int i = 0; i < 80; i++) {
      ASSERT_TRUE(append({batch_of(0, {std::to_string(end(0)) + std::string(100'000, 'x')})}));
    }
  };
  fill();
  EXPECT_EQ(start(0), 0);
  EXPECT_EQ(read(0).size(), 80U);
  ASSERT_TRUE(log_->commit("reader", kLane, {{{0}, {40}}, {{1}, {0}}, {{2}, {0}}}));
  for (int i = 0; i < 10'000 && start(0) == 0; i++) fetch({{{1}, {0}}}, 5);
  EXPECT_GT(start(0), 0);
  EXPECT_LE(start(0), 40);
  EXPECT_EQ(fetch({{{0}, {0}}}).error().code, Code::kNotFound);
  ASSERT_TRUE(log_->commit("reader", kLane, {{{0}, {80}}}));
  fill();  // goes into recycled files
  ASSERT_TRUE(log_->commit("reader", kLane, {{{0}, {160}}}));
  spec_.retention_bytes = 0;  // what is there now stays
  restart();
  EXPECT_EQ(end(0), 160);
  const auto rest = read(0, start(0));
  ASSERT_EQ(static_cast<int64_t>(rest.size()), 160 - start(0));
  for (size_t i = 0; i < rest.size(); i++) {
    const auto offset = static_cast<size_t>(start(0)) + i;
    EXPECT_TRUE(rest[i].starts_with(std::to_string(offset) + "x")) << offset;
  }
}

TEST_P(DurableLogContract, a_full_disk_refuses_and_recovers_by_itself) {
  if (sim() == nullptr) GTEST_SKIP() << "needs a disk that can be made full";
  runtime::SimDisk& disk = sim()->disk();
  disk.set_faults({.capacity_bytes = 6U << 20});
  int64_t stored = 0;
  Result<std::vector<Appended>> got = std::vector<Appended>{};
  for (int i = 0; i < 200 && got; i++) {
    got = append({batch_of(0, {std::string(100'000, 'x')})});
    stored += got ? 1 : 0;
  }
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().code, Code::kExhausted);
  EXPECT_GT(stored, 10);
  EXPECT_TRUE(log_->stats().disk_full);
  EXPECT_EQ(end(0), stored);
  EXPECT_EQ(static_cast<int64_t>(read(0).size()), stored);
  disk.set_faults({.capacity_bytes = 64U << 20});
  sim()->run_for(std::chrono::seconds(1));
  EXPECT_FALSE(log_->stats().disk_full);
  EXPECT_EQ((*append({batch_of(0, {"room"})}))[0].base.value, stored);
}

TEST_P(DurableLogContract, below_the_reserve_appends_are_refused) {
  if (on_kafka()) GTEST_SKIP() << "the disk is the broker's";
  log_->stop();
  options_.free_reserve_bytes = uint64_t{1} << 60;
  open();
  EXPECT_EQ(append({batch_of(0, {"a"})}).error().code, Code::kExhausted);
  EXPECT_EQ(end(0), 0);
}

constexpr auto kName = [](const auto& info) { return std::string(info.param); };
INSTANTIATE_TEST_SUITE_P(Log, LogContract,
                         ::testing::Values("memory", "embedded", "embedded_simulated",
                                           "embedded_begun", "kafka", "kafka_open", "kafka_begun",
                                           "kafka_open_begun"),
                         kName);
INSTANTIATE_TEST_SUITE_P(Log, DurableLogContract,
                         ::testing::Values("embedded", "embedded_simulated", "embedded_begun",
                                           "kafka", "kafka_open", "kafka_begun",
                                           "kafka_open_begun"),
                         kName);

}  // namespace
}  // namespace penstock::log
