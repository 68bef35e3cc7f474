// Damage: a torn tail is cut silently; anything else stops the start with the file, the byte and
// the command, and repair brings back everything that can still be read. Method: fill a topic on a
// simulated disk, flip bits or move files, start, repair, start again and read.
#include <gtest/gtest.h>

#include <optional>
#include <set>

#include "log/embedded/segment.h"
#include "log/embedded_log.h"
#include "runtime/sim_runtime.h"

namespace penstock::log {
namespace {

constexpr char kLane[] = "lane";
constexpr uint64_t kSegmentBytes = 256U << 10;

class LogDamage : public testing::Test {
 protected:
  LogDamage() { EXPECT_TRUE(disk->create_directories("/data")); }
  ~LogDamage() override { close(); }

  Status open() {
    close();
    runtime = std::make_unique<runtime::SimRuntime>(++life, disk);
    loop = &runtime->make_loop();
    EmbeddedLogOptions options;
    options.directory = "/data/log";
    options.segment_bytes = kSegmentBytes;
    options.free_reserve_bytes = 0;
    options.tail_cache_bytes = 0;
    log = open_embedded_log(*runtime, *loop, options);
    TopicSpec spec;
    spec.name = kLane;
    return log->start({spec});
  }
  void close() {
    if (log) log->stop();
    log.reset();
    runtime.reset();
  }

  void append(int count, size_t bytes) {
    for (int i = 0; i < count; i++) {
      Batch b;
      b.count = 1;
      encode_record(b.data, std::to_string(next) + "|" + std::string(bytes, 'x'));
      std::optional<Result<std::vector<Appended>>> got;
      log->append(*loop, kLane, {b}, [&](auto r) { got.emplace(std::move(r)); });
      ASSERT_EQ(runtime->run_until([&] { return got.has_value(); }), runtime::SimEnd::kDone);
      ASSERT_TRUE(*got);
      EXPECT_EQ((**got)[0].base.value, next);
      next++;
    }
  }

  /// Offsets that can be read; the error that ended it, if one did.
  std::set<int64_t> read(Status* ended = nullptr) {
    std::set<int64_t> out;
    const auto bounds = log->bounds(kLane);
    Offset at = bounds->front().start;
    while (at < bounds->front().end) {
      std::optional<Result<FetchResult>> got;
      log->fetch(*loop, {kLane, {{{0}, at}}, 20'000, 0},
                 [&](auto r) { got.emplace(std::move(r)); });
      EXPECT_EQ(runtime->run_until([&] { return got.has_value(); }), runtime::SimEnd::kDone);
      if (!*got) {
        if (ended != nullptr) *ended = std::unexpected((*got).error());
        EXPECT_NE(ended, nullptr) << (*got).error().message;
        return out;
      }
      for (const ReadBatch& b : (*got)->batches) {
        for (size_t i = 0; i < b.records.size(); i++) {
          const int64_t offset = b.base.value + static_cast<int64_t>(i);
          EXPECT_EQ(std::stoll(std::string(b.records[i])), offset);
          out.insert(offset);
        }
      }
      EXPECT_LT(at, (*got)->next[0].next);
      at = (*got)->next[0].next;
    }
    return out;
  }

  std::vector<std::string> segments() {
    std::vector<std::string> out;
    const auto names = disk->list("/data/log/lane");
    for (const auto& name : *names) {
      if (name.ends_with(".seg")) out.push_back("/data/log/lane/" + name);
    }
    return out;
  }
  RepairReport repair() {
    close();
    runtime = std::make_unique<runtime::SimRuntime>(++life, disk);
    auto report = repair_topic(*runtime, "/data/log", kLane);
    EXPECT_TRUE(report) << report.error().message;
    return *report;
  }
  std::vector<SegmentReport> inspect() {
    auto found = inspect_topic(*runtime, "/data/log", kLane);
    EXPECT_TRUE(found);
    return *found;
  }
  static void expect_named(const Status& status, const std::string& file, const std::string& byte) {
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().code, Code::kCorrupt);
    const std::string& text = status.error().message;
    EXPECT_NE(text.find(file), std::string::npos) << text;
    EXPECT_NE(text.find("at byte " + byte), std::string::npos) << text;
    EXPECT_NE(text.find("penstock log repair --data DIR --topic lane"), std::string::npos) << text;
  }

  std::shared_ptr<runtime::SimDisk> disk = std::make_shared<runtime::SimDisk>(1);
  std::unique_ptr<runtime::SimRuntime> runtime;
  runtime::Loop* loop = nullptr;
  std::unique_ptr<Log> log;
  uint64_t life = 0;
  int64_t next = 0;
};

TEST_F(LogDamage, inspection_shows_what_is_there) {
  ASSERT_TRUE(open());
  append(60, 10'000);
  const auto found = inspect();
  ASSERT_GT(found.size(), 2U);
  uint64_t records = 0, block = 1;
  for (const SegmentReport& s : found) {
    EXPECT_EQ(s.problem, "");
    EXPECT_EQ(s.first_block, block);
    block += s.blocks;
    records += s.records;
    EXPECT_LE(s.bytes_used, kSegmentBytes);
  }
  EXPECT_EQ(records, 60U);
  EXPECT_EQ(found.back().partitions[0].end.value, 60);
}

TEST_F(LogDamage, a_torn_tail_is_cut) {
  ASSERT_TRUE(open());
  append(5, 5'000);
  const uint64_t used = inspect().back().bytes_used;
  close();
  ASSERT_TRUE(disk->corrupt(segments().back(), used - 4000));  // in the last block
  ASSERT_TRUE(open());
  EXPECT_EQ((*log->bounds(kLane))[0].end.value, 4);
  EXPECT_EQ(read().size(), 4U);
  next = 4;
  append(3, 100);
  ASSERT_TRUE(open());
  EXPECT_EQ(read().size(), 7U);
}

TEST_F(LogDamage, a_flipped_bit_in_the_newest_segment_stops_the_start) {
  ASSERT_TRUE(open());
  append(5, 5'000);  // blocks of two pages
  close();
  const std::string file = segments().back();
  const uint64_t third = kSegmentHeaderBytes + 2 * 2 * kPage;
  ASSERT_TRUE(disk->corrupt(file, third + 100));
  expect_named(open(), file, std::to_string(third));

  const RepairReport report = repair();
  ASSERT_EQ(report.actions.size(), 1U);
  EXPECT_EQ(report.records_lost, 1U);
  EXPECT_EQ(disk->list("/data/log/damaged")->size(), 1U);
  ASSERT_TRUE(open());
  EXPECT_EQ(read(), (std::set<int64_t>{0, 1, 3, 4}));
  append(1, 10);
  EXPECT_EQ(read(), (std::set<int64_t>{0, 1, 3, 4, 5}));
  EXPECT_TRUE(repair().actions.empty());
}

TEST_F(LogDamage, a_flipped_bit_in_an_older_segment_stops_the_reader) {
  ASSERT_TRUE(open());
  append(60, 10'000);
  const std::string file = segments()[1];
  ASSERT_TRUE(disk->corrupt(file, kSegmentHeaderBytes + 3 * 3 * kPage + 60));
  ASSERT_TRUE(open());
  Status ended;
  const auto before = read(&ended);
  expect_named(ended, file, std::to_string(kSegmentHeaderBytes + 3 * 3 * kPage));
  EXPECT_EQ(inspect()[1].problem,
            "damaged at byte " + std::to_string(kSegmentHeaderBytes + 3 * 3 * kPage));
  const RepairReport report = repair();
  EXPECT_EQ(report.records_lost, 1U);
  ASSERT_TRUE(open());
  const auto after = read();
  EXPECT_EQ(after.size(), 59U);
  EXPECT_FALSE(after.contains(static_cast<int64_t>(before.size())));
  append(1, 10);
}

TEST_F(LogDamage, an_older_segment_that_is_cut_off_at_a_blocks_end_is_damaged) {
  ASSERT_TRUE(open());
  append(60, 10'000);
  const auto found = inspect();
  close();
  const uint64_t at = found[1].bytes_used - 2 * 3 * kPage;  // without its last two blocks
  const std::string file = segments()[1];
  ASSERT_TRUE((*disk->open(file, {}))->truncate(at));
  const std::string problem = "damaged at byte " + std::to_string(at) + " (it is cut off there)";
  ASSERT_TRUE(open());
  EXPECT_EQ(inspect()[1].problem, problem);
  EXPECT_EQ(inspect()[0].problem, "");
  Status ended;
  read(&ended);
  expect_named(ended, file, std::to_string(at));
  const RepairReport report = repair();
  EXPECT_EQ(report.records_lost, 2U);
  ASSERT_EQ(report.actions.size(), 1U);
  EXPECT_NE(report.actions[0].find("cut off at byte"), std::string::npos) << report.actions[0];
  EXPECT_EQ(inspect()[1].problem, "");
  ASSERT_TRUE(open());
  EXPECT_EQ(read().size(), 58U);
  append(1, 10);
  EXPECT_TRUE(repair().actions.empty());
}

TEST_F(LogDamage, the_end_of_an_older_segment_may_be_lost) {
  ASSERT_TRUE(open());
  append(60, 10'000);
  const auto found = inspect();
  close();
  // The last two blocks of the first segment.
  const uint64_t end = found[0].bytes_used;
  ASSERT_TRUE(disk->corrupt(segments()[0], end - 3 * kPage + 9));
  ASSERT_TRUE(disk->corrupt(segments()[0], end - 6 * kPage + 9));
  EXPECT_EQ(repair().records_lost, 2U);
  ASSERT_TRUE(open());
  EXPECT_EQ(read().size(), 58U);
}

TEST_F(LogDamage, one_damaged_header_is_written_anew) {
  ASSERT_TRUE(open());
  append(30, 10'000);
  ASSERT_TRUE(disk->corrupt(segments()[0], 5));
  ASSERT_TRUE(open());
  EXPECT_EQ(read().size(), 30U);
  EXPECT_EQ(repair().actions.size(), 1U);
  EXPECT_TRUE(repair().actions.empty());
}

TEST_F(LogDamage, a_segment_without_any_header_moves_away) {
  ASSERT_TRUE(open());
  append(60, 10'000);
  close();
  const std::string file = segments()[1];
  ASSERT_TRUE(disk->corrupt(file, 5));
  ASSERT_TRUE(disk->corrupt(file, kHeaderCopyBytes + 5));
  expect_named(open(), file, "0");
  const uint64_t lost = repair().records_lost;
  EXPECT_GT(lost, 5U);
  ASSERT_TRUE(open());
  EXPECT_EQ(read().size(), 60 - lost);
}

TEST_F(LogDamage, a_missing_segment_stops_the_start) {
  ASSERT_TRUE(open());
  append(60, 10'000);
  close();
  const std::string file = segments()[1];
  ASSERT_TRUE(disk->remove(file));
  const Status status = open();
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, Code::kCorrupt);
  EXPECT_NE(status.error().message.find(file + " is missing"), std::string::npos);
  const uint64_t lost = repair().records_lost;
  EXPECT_GT(lost, 5U);
  ASSERT_TRUE(open());
  EXPECT_EQ(read().size(), 60 - lost);
}

TEST_F(LogDamage, another_number_of_partitions_is_refused) {
  ASSERT_TRUE(open());
  append(1, 10);
  close();
  runtime = std::make_unique<runtime::SimRuntime>(++life, disk);
  EmbeddedLogOptions options;
  options.directory = "/data/log";
  log = open_embedded_log(*runtime, runtime->make_loop(), options);
  TopicSpec spec;
  spec.name = kLane;
  spec.partitions = 2;
  EXPECT_EQ(log->start({spec}).error().code, Code::kInvalid);
}

TEST_F(LogDamage, damaged_offsets_are_told) {
  ASSERT_TRUE(open());
  ASSERT_TRUE(log->commit("g", kLane, {{{0}, {0}}}));
  close();
  ASSERT_TRUE(disk->corrupt("/data/log/offsets", 3));
  const Status status = open();
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, Code::kCorrupt);
  EXPECT_NE(status.error().message.find("/data/log/offsets"), std::string::npos);
}

}  // namespace
}  // namespace penstock::log
