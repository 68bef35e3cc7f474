// LogCopy: offsets, producers and positions go on in the target; it goes on after a stop, compares
// what is there, and says why it cannot. Method: embedded logs on the machine's disk.
#include "log/copy.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <future>

#include "log/embedded_log.h"
#include "log/testing/batch.h"
#include "runtime/real_runtime.h"

namespace penstock::log {
namespace {

constexpr char kLane[] = "lane", kOut[] = "out";

class LogCopyTest : public ::testing::Test {
 protected:
  LogCopyTest()
      : root_(std::filesystem::temp_directory_path() /
              ("penstock-copy-" + std::to_string(::getpid()))) {
    std::filesystem::remove_all(root_);
    std::filesystem::create_directories(root_);
    home_.start();
    answers_.start();
  }
  ~LogCopyTest() override {
    for (auto& log : logs_) log->stop();
    home_.stop();
    home_.join();
    answers_.stop();
    answers_.join();
    logs_.clear();
    std::filesystem::remove_all(root_);
  }

  Log& open(const std::string& name, Begins begins = {}, int32_t partitions = 2) {
    EmbeddedLogOptions options;
    options.directory = root_ / name;
    options.segment_bytes = 1U << 20;
    options.free_reserve_bytes = 0;
    options.begins = std::move(begins);
    logs_.push_back(open_embedded_log(*runtime_, home_.loop(), options));
    TopicSpec lane, out;
    lane.name = kLane;
    lane.partitions = out.partitions = partitions;
    out.name = kOut;
    const Status started = logs_.back()->start({lane, out});
    EXPECT_TRUE(started) << (started ? "" : started.error().message);
    return *logs_.back();
  }
  void close(Log& log) {
    const auto it = std::ranges::find_if(logs_, [&](const auto& l) { return l.get() == &log; });
    (*it)->stop();
    std::promise<void> done;
    home_.loop().post([&] {
      (*it).reset();
      done.set_value();
    });
    done.get_future().wait();
    logs_.erase(it);
  }

  int64_t append(Log& log, const std::string& topic, int32_t partition,
                 const std::vector<std::string>& records, uint64_t producer = 0,
                 int64_t sequence = 0) {
    std::promise<Result<std::vector<Appended>>> promise;
    log.append(answers_.loop(), topic, {batch_of(partition, records, producer, sequence)},
               [&](auto got) { promise.set_value(std::move(got)); });
    const auto got = promise.get_future().get();
    EXPECT_TRUE(got) << (got ? "" : got.error().message);
    return got ? got->front().base.value : -1;
  }

  std::vector<std::string> read(Log& log, const std::string& topic, int32_t partition,
                                int64_t from) {
    std::vector<std::string> out;
    for (;;) {
      std::promise<Result<FetchResult>> promise;
      log.fetch(answers_.loop(), {topic, {{{partition}, {from}}}},
                [&](auto got) { promise.set_value(std::move(got)); });
      const auto got = promise.get_future().get();
      EXPECT_TRUE(got) << (got ? "" : got.error().message);
      if (!got || got->batches.empty()) return out;
      for (const ReadBatch& b : got->batches) {
        for (size_t i = 0; i < b.records.size(); i++) {
          if (b.base.value + static_cast<int64_t>(i) != from) continue;
          out.emplace_back(b.records[i]);
          from++;
        }
      }
    }
  }

  LogCopy copy(Log& from, Log& to, std::function<bool(const CopyProgress&)> on_piece = {},
               size_t piece = 4U << 20) {
    return {from,
            to,
            answers_.loop(),
            {.topics = {kLane, kOut}, .piece_bytes = piece, .on_piece = std::move(on_piece)}};
  }
  Begins begins(Log& log, const std::vector<uint64_t>& producers) {
    auto got = begins_of(log, answers_.loop(), {kLane, kOut}, producers);
    EXPECT_TRUE(got);
    return got ? *got : Begins{};
  }
  /// Its oldest records are gone, and what producers 1 and 2 wrote there.
  Log& trimmed() {
    Begins b;
    b[kLane].base = {1000, 0};
    b[kOut].base = {70, 7};
    b[kOut].sequences = {{{0, 1}, 500}, {{0, 2}, 900}, {{1, 2}, 40}};
    Log& log = open("source", b);
    append(log, kLane, 0, {"a", "b", "c"});
    append(log, kOut, 0, {"x", "y"}, 1, 501);
    append(log, kOut, 0, {"z"}, 1, 503);
    return log;
  }

  const std::filesystem::path root_;
  std::unique_ptr<runtime::Runtime> runtime_ = runtime::make_real_runtime();
  runtime::LoopThread home_{"log"}, answers_{"answers"};
  std::vector<std::unique_ptr<Log>> logs_;
};

std::vector<std::pair<int64_t, int64_t>> bounds_of(Log& log, const std::string& topic) {
  std::vector<std::pair<int64_t, int64_t>> out;
  const auto bounds = log.bounds(topic);
  for (const PartitionBounds& b : *bounds) out.emplace_back(b.start.value, b.end.value);
  return out;
}

TEST_F(LogCopyTest, offsets_producers_and_positions_go_on_where_retention_left_the_source) {
  Log& source = trimmed();
  ASSERT_TRUE(source.commit("load", kOut, {{{0}, {71}}}));
  const Begins begin = begins(source, {1, 2, 3});
  EXPECT_EQ(begin.at(kLane).base, (std::vector<int64_t>{1000, 0}));
  // Producer 1 is in what is left.
  EXPECT_EQ(begin.at(kOut).sequences,
            (decltype(begin.at(kOut).sequences){{{0, 2}, 900}, {{1, 2}, 40}}));
  Log* target = &open("target", begin);
  LogCopy one = copy(source, *target);
  ASSERT_TRUE(one.begin());
  EXPECT_EQ(*one.catch_up(), 6U);
  EXPECT_EQ(append(source, kLane, 0, {"d"}), 1003);
  EXPECT_EQ(*one.catch_up(), 1U);
  EXPECT_EQ(*one.catch_up(), 0U);
  ASSERT_TRUE(one.copy_positions({"load", "nobody"}));
  EXPECT_EQ(one.progress().records, 7U);
  EXPECT_NE(one.checksum(), 0U);

  close(*target);
  target = &open("target");  // whoever opens it next knows nothing of begins
  for (const char* topic : {kLane, kOut}) {
    EXPECT_EQ(bounds_of(*target, topic), bounds_of(source, topic));
  }
  EXPECT_EQ(read(*target, kLane, 0, 1000), (std::vector<std::string>{"a", "b", "c", "d"}));
  EXPECT_EQ(read(*target, kOut, 0, 71), (std::vector<std::string>{"y", "z"}));
  EXPECT_EQ(target->last_sequence(kOut, {0}, 1), 503);
  EXPECT_EQ(target->last_sequence(kOut, {0}, 2), 900);
  EXPECT_EQ(target->last_sequence(kOut, {1}, 2), 40);
  EXPECT_EQ(target->last_sequence(kOut, {1}, 1), -1);
  const auto kept = target->committed("load", kOut);
  ASSERT_EQ(kept.size(), 1U);
  EXPECT_EQ(kept[0].next.value, 71);
  EXPECT_EQ(append(*target, kLane, 1, {"first of its partition"}), 0);
}

TEST_F(LogCopyTest, a_first_block_that_is_larger_than_the_first_segment_has_a_segment_of_its_own) {
  Begins begin;
  begin[kLane].base = {5, 6};
  const std::string large(600'000, 'l');
  Log* log = &open("large", begin);
  EXPECT_EQ(append(*log, kLane, 1, {large}), 6);
  EXPECT_EQ(append(*log, kLane, 0, {"small"}), 5);
  for (int life = 0; life < 2; life++) {
    EXPECT_EQ(read(*log, kLane, 1, 6), std::vector<std::string>{large});
    EXPECT_EQ(read(*log, kLane, 0, 5), std::vector<std::string>{"small"});
    EXPECT_EQ(bounds_of(*log, kLane), (std::vector<std::pair<int64_t, int64_t>>{{5, 6}, {6, 7}}));
    close(*log);
    log = &open("large");
  }
  EXPECT_EQ(append(*log, kLane, 0, {"more"}), 6);
}

TEST_F(LogCopyTest, a_copy_that_was_ended_goes_on_and_compares_what_is_there) {
  Log& source = open("source");
  for (int i = 0; i < 50; i++) {
    append(source, kLane, i % 2, {std::to_string(i), std::string(300, 'x')});
    append(source, kOut, i % 2, {"out " + std::to_string(i)}, 1, i);
  }
  Log* target = &open("target", begins(source, {1}));
  int pieces = 0;
  LogCopy ended = copy(source, *target, [&](const CopyProgress&) { return ++pieces < 6; }, 1000);
  ASSERT_TRUE(ended.begin());
  EXPECT_EQ(ended.catch_up().error().code, Code::kCancelled);
  const uint64_t before = ended.progress().records;
  EXPECT_GT(before, 0U);
  EXPECT_LT(before, 150U);
  close(*target);
  target = &open("target", begins(source, {1}));
  LogCopy again = copy(source, *target, {}, 1000);
  ASSERT_TRUE(again.begin());
  EXPECT_GE(again.progress().records, before);
  EXPECT_EQ(again.progress().records_total, 150U);
  ASSERT_TRUE(again.catch_up());
  EXPECT_EQ(again.progress().records, 150U);
  for (const char* topic : {kLane, kOut}) {
    for (int32_t p = 0; p < 2; p++) {
      EXPECT_EQ(read(*target, topic, p, 0), read(source, topic, p, 0)) << topic << p;
    }
  }
}

TEST_F(LogCopyTest, a_target_that_is_no_copy_is_refused) {
  Log& source = open("source");
  append(source, kLane, 0, {"a", "b"});
  Log& other = open("other");
  append(other, kLane, 0, {"A"});
  EXPECT_EQ(copy(source, other).begin().error().code, Code::kConflict);
  Log& longer = open("longer");
  append(longer, kLane, 0, {"a", "b", "c"});
  EXPECT_EQ(copy(source, longer).begin().error().code, Code::kConflict);
  Log& wider = open("wider", {}, 3);
  const Status parted = copy(source, wider).begin();
  EXPECT_EQ(parted.error().code, Code::kInvalid);
  EXPECT_NE(parted.error().message.find("log.partitions"), std::string::npos);
  // Somebody else writes there in the middle.
  Log& shared = open("shared");
  LogCopy disturbed = copy(source, shared);
  ASSERT_TRUE(disturbed.begin());
  append(shared, kLane, 0, {"not ours"});
  EXPECT_EQ(disturbed.catch_up().error().code, Code::kConflict);
}

TEST_F(LogCopyTest, what_retention_took_before_it_was_copied_is_missed) {
  Log& behind = open("behind");
  append(behind, kLane, 0, {"a"});
  EXPECT_EQ(copy(trimmed(), behind).begin().error().code, Code::kNotFound);
}

}  // namespace
}  // namespace penstock::log
