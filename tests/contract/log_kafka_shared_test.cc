// Several processes share a framed topic on Kafka, each partition with one writer at a time: who
// has which, and what becomes of what was under way when one goes to another. Method: real brokers,
// started here; every record that was acknowledged is looked for afterwards, once.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <mutex>
#include <set>
#include <thread>

#include "log/kafka_lease.h"
#include "tests/contract/kafka_writer.h"

namespace penstock::log {
namespace {

class KafkaLogShared : public WithKafka {};

KafkaLogOptions of_partitions(KafkaLogOptions options, std::set<int32_t> partitions) {
  options.owns = [partitions = std::move(partitions)](std::string_view, Partition p) {
    return partitions.contains(p.value);
  };
  return options;
}

bool eventually(const std::function<bool()>& check, int tries = 1000) {
  for (int i = 0; i < tries; i++) {
    if (check()) return true;
    ::usleep(20'000);
  }
  return check();
}

TEST_F(KafkaLogShared, each_writes_its_partitions_and_reads_all) {
  const KafkaLogOptions options = kafka_options(testing::shared_kafka());
  Writer one(of_partitions(options, {0, 1})), two(of_partitions(options, {2}));
  ASSERT_TRUE(one.open());
  ASSERT_TRUE(two.open());
  for (int i = 1; i <= 20; i++) {
    ASSERT_TRUE(one.append(kFramed, i % 2, "one" + std::to_string(i), i));
    ASSERT_TRUE(two.append(kFramed, 2, "two" + std::to_string(i), i));
  }
  EXPECT_EQ(one.append(kFramed, 2, "no").error().code, Code::kDenied);
  EXPECT_EQ(two.append(kFramed, 0, "no").error().code, Code::kDenied);
  EXPECT_TRUE((*one.append(kFramed, 0, "again", 20))[0].duplicate);
  for (Writer* w : {&one, &two}) {
    EXPECT_TRUE(eventually([&] { return w->read(kFramed).size() == 40; }));
    for (const auto& [record, times] : w->read(kFramed)) EXPECT_EQ(times, 1) << record;
    EXPECT_EQ(w->log().last_sequence(kFramed, {2}, 9), 20);
  }
  // A restart of one is nothing to the other.
  one.close();
  ASSERT_TRUE(two.append(kFramed, 2, "two21", 21));
  ASSERT_TRUE(one.open());
  ASSERT_TRUE(one.append(kFramed, 0, "one21", 21));
  ASSERT_TRUE(two.append(kFramed, 2, "two22", 22));
}

TEST_F(KafkaLogShared, what_a_process_does_not_look_at_is_not_there_for_it) {
  const KafkaLogOptions options = kafka_options(testing::shared_kafka());
  Writer few(of_partitions(options, {0, 1})), other(of_partitions(options, {2}));
  few.options_.looks_at = [](std::string_view, Partition p) { return p.value != 2; };
  ASSERT_TRUE(few.open());
  ASSERT_TRUE(other.open());
  for (int i = 1; i <= 20; i++) {
    ASSERT_TRUE(few.append(kFramed, i % 2, "few" + std::to_string(i), i));
    ASSERT_TRUE(other.append(kFramed, 2, "other" + std::to_string(i), i));
    ASSERT_TRUE(few.append(kOpen, i % 3, "open" + std::to_string(i))) << "anybody may write there";
  }
  EXPECT_EQ(few.append(kFramed, 2, "no").error().code, Code::kDenied);
  EXPECT_TRUE(eventually([&] { return other.read(kFramed).size() == 40; }));
  for (int life = 0; life < 2; life++) {
    for (const char* topic : {kFramed, kOpen}) {
      const auto bounds = few.log().bounds(topic);
      ASSERT_TRUE(bounds && bounds->size() == 2) << topic;
      EXPECT_EQ(places_of(*bounds), 2);
      for (const PartitionBounds& b : *bounds) EXPECT_NE(b.partition.value, 2);
    }
    EXPECT_EQ(few.read(kFramed).size(), 20U);
    EXPECT_EQ(few.read(kOpen).size(), 13U) << "seven of 20 lie elsewhere";
    EXPECT_EQ(few.log().last_sequence(kFramed, {2}, 9), -1);
    EXPECT_EQ(few.log().last_sequence(kFramed, {0}, 9), 20);
    few.close();
    ASSERT_TRUE(few.open());
  }
  ASSERT_TRUE(other.append(kFramed, 2, "other21", 21)) << "nobody shut it out";
  // It looks again, and finds all that came meanwhile.
  few.close();
  few.options_.looks_at = {};
  ASSERT_TRUE(few.open());
  EXPECT_EQ(few.read(kFramed).size(), 41U);
  EXPECT_EQ(few.read(kOpen).size(), 20U);
  EXPECT_EQ(few.log().last_sequence(kFramed, {2}, 9), 21);
}

/// `bounds` of what another one appends come by the tail, after its acknowledgement; `ends` has
/// all.
TEST_F(KafkaLogShared, ends_are_behind_all_that_another_process_was_acknowledged) {
  const KafkaLogOptions options = kafka_options(testing::shared_kafka());
  Writer one(of_partitions(options, {0, 1})), two(of_partitions(options, {2}));
  ASSERT_TRUE(one.open());
  ASSERT_TRUE(two.open());
  for (int i = 1; i <= 100; i++) {
    const auto framed = one.append(kFramed, i % 2, "one" + std::to_string(i), i);
    const auto open = one.append(kOpen, i % 3, "open" + std::to_string(i));
    ASSERT_TRUE(framed && open);
    const auto ends = two.ends(kFramed), open_ends = two.ends(kOpen);
    ASSERT_TRUE(ends && open_ends) << i;
    ASSERT_EQ(ends->size(), 3U);
    EXPECT_GT(ends->at(static_cast<size_t>(i % 2)).next, framed->front().base) << i;
    EXPECT_GT(open_ends->at(static_cast<size_t>(i % 3)).next, open->front().base) << i;
  }
  two.options_.looks_at = [](std::string_view, Partition p) { return p.value != 1; };
  two.close();
  ASSERT_TRUE(two.open());
  const auto some = two.ends(kFramed);
  ASSERT_TRUE(some && some->size() == 2);
  EXPECT_EQ(some->front().next, Offset{50});
  EXPECT_EQ(two.ends("nowhere").error().code, Code::kNotFound);
}

TEST_F(KafkaLogShared, a_partition_goes_to_another_while_both_write_and_nothing_is_in_doubt) {
  const KafkaLogOptions options = kafka_options(testing::shared_kafka());
  for (int round = 0; round < 3; round++) {
    KafkaLogOptions mine = options;
    mine.topic_prefix += std::to_string(round) + "-";
    std::atomic<int> shut_out{0};
    Writer old(of_partitions(mine, {0, 1, 2})), next(of_partitions(mine, {1}));
    old.options_.on_shut_out = [&] { shut_out++; };
    ASSERT_TRUE(old.open());
    std::set<std::string> acknowledged;
    std::mutex mutex;
    std::atomic<bool> ending{false};
    // One after the other and without waiting for it: several are under way when the fence comes.
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; t++) {
      threads.emplace_back([&, t] {
        for (int i = 0; !ending; i++) {
          const std::string record = "old" + std::to_string(t) + "." + std::to_string(i);
          if (!old.append(kFramed, 1, record)) continue;
          const std::lock_guard lock(mutex);
          acknowledged.insert(record);
        }
      });
    }
    EXPECT_TRUE(eventually([&] {
      const std::lock_guard lock(mutex);
      return acknowledged.size() > 200;
    }));
    ASSERT_TRUE(next.open());
    const auto inherited = next.read(kFramed);
    for (int i = 1; i <= 10; i++) {
      const std::string record = "next" + std::to_string(i);
      ASSERT_TRUE(next.append(kFramed, 1, record, i));
      const std::lock_guard lock(mutex);
      acknowledged.insert(record);
    }
    EXPECT_TRUE(eventually([&] { return shut_out == 1; }));
    ending = true;
    for (std::thread& t : threads) t.join();
    // What the old one was told is there for everybody, once, and before what the next one wrote.
    const auto there = next.read(kFramed);
    for (const std::string& record : acknowledged) {
      const auto it = there.find(record);
      ASSERT_TRUE(it != there.end() && it->second == 1) << record;
    }
    EXPECT_EQ(there.size(), inherited.size() + 10) << "nothing of the old one came later";
    EXPECT_EQ(old.append(kFramed, 0, "no more").error().code, Code::kUnavailable);
    old.close();
    next.close();
    ASSERT_TRUE(next.open());
    EXPECT_EQ(next.read(kFramed), there);
  }
}

/// Whoever takes over notes where it begins before it has read what the one before left behind that
/// place. Who starts at that moment reads from there, and has to find all of it.
TEST_F(KafkaLogShared, what_was_left_is_there_for_who_starts_while_another_takes_over) {
  const KafkaLogOptions options = kafka_options(testing::shared_kafka());
  KafkaLogOptions only_reads = options;
  only_reads.follows = true;
  Writer first(of_partitions(options, {0, 1, 2})), second(of_partitions(options, {0, 1, 2})),
      third(of_partitions(options, {0, 1, 2})), reader(only_reads);
  ASSERT_TRUE(first.open());
  std::set<std::string> all;
  const auto write = [&](Writer& by, const std::string& name, int64_t sequence) {
    for (int32_t p = 0; p < 3; p++) {
      const std::string record = name + std::to_string(p);
      ASSERT_TRUE(by.append(kFramed, p, record, sequence));
      all.insert(record);
    }
  };
  const auto has_all = [&](Writer& one) {
    const auto there = one.read(kFramed);
    return there.size() == all.size() &&
           std::ranges::all_of(there, [&](const auto& r) { return all.contains(r.first); });
  };
  for (int64_t i = 1; i <= 5; i++) write(first, "first" + std::to_string(i) + ".", i);
  ASSERT_TRUE(second.open());
  ASSERT_TRUE(reader.open());
  EXPECT_TRUE(has_all(reader));
  EXPECT_TRUE(has_all(second));
  write(second, "second.", 6);
  // And once more, before the second one has noted anything of its own.
  ASSERT_TRUE(third.open());
  reader.close();
  ASSERT_TRUE(reader.open());
  EXPECT_TRUE(has_all(reader));
  EXPECT_TRUE(has_all(third));
  write(third, "third.", 7);
  EXPECT_TRUE(eventually([&] { return has_all(reader); }));
  EXPECT_EQ(third.log().last_sequence(kFramed, {0}, 9), 7);
}

TEST_F(KafkaLogShared, a_clock_that_is_behind_shuts_out_all_the_same) {
  const KafkaLogOptions options = kafka_options(testing::shared_kafka());
  Writer ahead(of_partitions(options, {0})), next(of_partitions(options, {0}));
  ahead.clock_ahead_s = 3600;
  ASSERT_TRUE(ahead.open());
  ASSERT_TRUE(ahead.append(kFramed, 0, "ahead", 1));
  ASSERT_TRUE(next.open());
  ASSERT_TRUE(next.append(kFramed, 0, "next", 2));
  EXPECT_TRUE(eventually([&] { return !ahead.append(kFramed, 0, "late"); }));
  EXPECT_EQ(next.read(kFramed), (std::map<std::string, int>{{"ahead", 1}, {"next", 1}}));
}

TEST_F(KafkaLogShared, a_lease_of_several_parts_is_shared_out_when_they_are_given_back) {
  const KafkaLogOptions options = kafka_options(testing::shared_kafka());
  Writer writer(options);
  ASSERT_TRUE(writer.open());
  TopicSpec topic;
  topic.name = "parts";
  topic.partitions = 4;
  ASSERT_TRUE(writer.log().ensure_topic(topic));
  const auto join = [&](const std::string& member) {
    auto lease = KafkaLease::join(options, {"shared", "parts", member, 6000, 60'000});
    EXPECT_TRUE(lease);
    return lease ? std::move(*lease) : nullptr;
  };
  auto first = join("first");
  std::atomic<int> told{0};
  first->on_change([&] { told++; });
  ASSERT_TRUE(eventually([&] { return first->held().size() == 4; }));
  auto second = join("second");
  ASSERT_TRUE(eventually([&] { return first->held().size() == 2; }));
  EXPECT_GE(told, 1);
  // The first still works on what it loses.
  EXPECT_FALSE(second->wait(1500));
  first->give_back();
  ASSERT_TRUE(eventually([&] { return second->held().size() == 2; }));
  std::vector<int32_t> all = first->held();
  for (const int32_t p : second->held()) all.push_back(p);
  EXPECT_EQ(std::set<int32_t>(all.begin(), all.end()), (std::set<int32_t>{0, 1, 2, 3}));
  EXPECT_FALSE(first->over());
  // Who is away for a session loses all to the other.
  second.reset();
  ASSERT_TRUE(eventually([&] { return first->held().size() == 4; }));
}

}  // namespace
}  // namespace penstock::log
