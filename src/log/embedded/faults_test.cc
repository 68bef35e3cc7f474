// Single faults, one after the other, where random lives rarely meet them: what is answered, and
// that nothing of it comes back after a restart that keeps every byte ever written.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <chrono>
#include <optional>

#include "log/embedded/segment.h"
#include "log/embedded_log.h"
#include "runtime/sim_runtime.h"

namespace penstock::log {
namespace {

constexpr char kLane[] = "lane";

class LogFaults : public testing::Test {
 protected:
  LogFaults() { EXPECT_TRUE(disk->create_directories("/data")); }
  ~LogFaults() override { close(); }

  void open(runtime::SimOptions sim = {}) {
    close();
    runtime = std::make_unique<runtime::SimRuntime>(++life, disk, sim);
    loop = &runtime->make_loop();
    log = open_embedded_log(*runtime, *loop, options);
    TopicSpec spec;
    spec.name = kLane;
    spec.retention_bytes = retention_bytes;
    const Status started = log->start({spec});
    ASSERT_TRUE(started) << started.error().message;
  }
  void close() {
    if (log) log->stop();
    log.reset();
    runtime.reset();
  }

  std::shared_ptr<std::optional<Result<std::vector<Appended>>>> begin(const std::string& record) {
    Batch b;
    b.count = 1;
    encode_record(b.data, record);
    auto got = std::make_shared<std::optional<Result<std::vector<Appended>>>>();
    log->append(*loop, kLane, {b}, [got](auto r) { got->emplace(std::move(r)); });
    return got;
  }
  Result<std::vector<Appended>> append(const std::string& record) {
    const auto got = begin(record);
    EXPECT_EQ(runtime->run_until([&] { return got->has_value(); }), runtime::SimEnd::kDone);
    return **got;
  }
  Code append_fails(const std::string& record) {
    const auto got = append(record);
    EXPECT_FALSE(got);
    return got ? Code::kBug : got.error().code;
  }
  void sync_fails(uint64_t from_now) {
    disk->set_faults({.sync_error_at = disk->sync_count() + from_now});
  }

  std::vector<std::string> read() {
    std::vector<std::string> out;
    std::optional<Result<FetchResult>> got;
    log->fetch(*loop, {kLane, {{{0}, {0}}}, 1U << 20, 0},
               [&](auto r) { got.emplace(std::move(r)); });
    EXPECT_EQ(runtime->run_until([&] { return got.has_value(); }), runtime::SimEnd::kDone);
    EXPECT_TRUE(*got) << (*got ? "" : got->error().message);
    if (!*got) return out;
    for (const ReadBatch& b : (*got)->batches) {
      EXPECT_EQ(b.base.value, static_cast<int64_t>(out.size()));
      for (const auto r : b.records) out.emplace_back(r);
    }
    return out;
  }

  static EmbeddedLogOptions small() {
    EmbeddedLogOptions o;
    o.directory = "/data/log";
    o.segment_bytes = 512U << 10;
    o.free_reserve_bytes = 0;
    o.tail_cache_bytes = 0;
    return o;
  }

  std::shared_ptr<runtime::SimDisk> disk = std::make_shared<runtime::SimDisk>(1);
  EmbeddedLogOptions options = small();
  std::unique_ptr<runtime::SimRuntime> runtime;
  runtime::Loop* loop = nullptr;
  std::unique_ptr<Log> log;
  uint64_t life = 0, retention_bytes = 0;
};

TEST_F(LogFaults, a_segment_that_got_its_name_and_failed_to_begin_is_no_gap_later) {
  retention_bytes = 1;
  open();
  ASSERT_TRUE(append("a"));
  sync_fails(1);
  EXPECT_EQ(append_fails("b"), Code::kMaybe);  // from here on a segment for each
  int syncs = 0;
  disk->set_faults({.fails = [&](const runtime::SimOp& op) {
    return op.kind == runtime::SimOp::Kind::kSyncDirectory && op.path == "/data/log/lane" &&
           ++syncs < 3;
  }});
  EXPECT_EQ(append_fails("c"), Code::kMaybe);
  EXPECT_GT(syncs, 0) << "the file had its name when its folder was synced";
  ASSERT_TRUE(append("d"));
  sync_fails(1);
  EXPECT_EQ(append_fails("e"), Code::kMaybe);
  ASSERT_TRUE(append("f"));
  // Now the segment of `d` goes, which passed over the one that never was.
  (void)runtime->run_for(std::chrono::seconds(5));
  EXPECT_EQ((*log->bounds(kLane))[0].start.value, 2);
  open();
  EXPECT_EQ((*log->bounds(kLane))[0].start.value, 2);
  EXPECT_EQ((*append("g"))[0].base.value, 3);
}

TEST_F(LogFaults, a_segment_is_retired_only_when_the_one_before_it_is_gone_for_good) {
  retention_bytes = 1;
  // What a power failure keeps of names that were not synced is the dice's choice.
  for (uint64_t seed = 1; seed <= 40; seed++) {
    close();
    disk = std::make_shared<runtime::SimDisk>(seed);
    ASSERT_TRUE(disk->create_directories("/data"));
    open();
    int failed = 0;
    for (const char* record : {"a", "b", "c", "d"}) {
      ASSERT_TRUE(append(record));
      sync_fails(1);
      EXPECT_EQ(append_fails("x"), Code::kMaybe);  // the next one begins a segment
    }
    disk->set_faults({});
    ASSERT_TRUE(append("e"));
    disk->set_faults({.fails = [&](const runtime::SimOp& op) {
      const bool fails = op.kind == runtime::SimOp::Kind::kSyncDirectory;
      failed += fails ? 1 : 0;
      return fails;
    }});
    (void)runtime->run_for(std::chrono::minutes(1));
    EXPECT_GE(failed, 2) << "it was tried again";
    disk->set_faults({});
    disk->crash();
    open();
    ASSERT_FALSE(HasFatalFailure()) << "seed " << seed;
  }
}

TEST_F(LogFaults, a_sync_that_fails_is_maybe_and_its_records_stay_away) {
  open();
  ASSERT_TRUE(append("a"));
  sync_fails(1);
  EXPECT_EQ(append_fails("b"), Code::kMaybe);
  EXPECT_EQ((*append("c"))[0].base.value, 1);
  EXPECT_EQ(read(), (std::vector<std::string>{"a", "c"}));
  open();
  EXPECT_EQ(read(), (std::vector<std::string>{"a", "c"}));
  EXPECT_EQ((*append("d"))[0].base.value, 2);
}

TEST_F(LogFaults, so_do_they_when_the_next_segment_fails_too) {
  open();
  ASSERT_TRUE(append("a"));
  sync_fails(1);
  EXPECT_EQ(append_fails("b"), Code::kMaybe);
  for (const char* record : {"c", "d"}) {
    sync_fails(2);  // behind that of the empty file
    EXPECT_EQ(append_fails(record), Code::kMaybe);
  }
  EXPECT_EQ((*append("e"))[0].base.value, 1);
  open();
  EXPECT_EQ(read(), (std::vector<std::string>{"a", "e"}));
}

TEST_F(LogFaults, the_last_of_an_unknown_outcome_is_whole_or_gone) {
  open();
  ASSERT_TRUE(append("a"));
  sync_fails(1);
  EXPECT_EQ(append_fails("b"), Code::kMaybe);
  disk->restart();  // the page cache lives on: the block is readable, and on no disk
  open();
  const auto before = read();
  disk->crash();
  open();
  EXPECT_EQ(read(), before);
}

TEST_F(LogFaults, a_write_that_fails_is_maybe) {
  open();
  ASSERT_TRUE(append("a"));
  disk->set_faults({.write_error_at = 20});
  for (int i = 0; i < 20; i++) {
    const auto got = append("x");
    if (got) continue;
    EXPECT_EQ(got.error().code, Code::kMaybe);
    EXPECT_TRUE(append("y"));
    open();
    EXPECT_EQ(read().back(), "y");
    return;
  }
  FAIL() << "no write failed";
}

TEST_F(LogFaults, a_full_pool_is_busy_and_costs_nothing) {
  runtime::SimOptions sim;
  sim.pool_queue_max = 1;
  open(sim);
  ASSERT_TRUE(append("a"));
  ASSERT_TRUE(runtime->pool().submit([] {}, *loop, [] {}));  // takes the only place
  EXPECT_EQ(append_fails("b"), Code::kBusy);
  runtime->run_for(std::chrono::milliseconds(10));
  EXPECT_EQ((*append("c"))[0].base.value, 1);
  open();
  EXPECT_EQ(read(), (std::vector<std::string>{"a", "c"}));
  EXPECT_EQ(inspect_topic(*runtime, "/data/log", kLane)->size(), 1U);  // the segment went on
}

TEST_F(LogFaults, restarts_do_not_take_disk_space) {
  options.segment_bytes = 128U << 10;
  open();
  for (int i = 0; i < 12; i++) ASSERT_TRUE(append(std::string(8000, 'x')));
  runtime->run_for(std::chrono::milliseconds(100));  // the next segment is made ahead of need
  const uint64_t bytes = log->stats().disk_bytes;
  for (int i = 0; i < 5; i++) open();
  EXPECT_EQ(log->stats().disk_bytes, bytes);
}

TEST_F(LogFaults, a_record_larger_than_a_segment_gets_one_of_its_own) {
  open();
  const std::string large(1U << 20, 'l');
  ASSERT_TRUE(append("a"));
  ASSERT_TRUE(append(large));
  ASSERT_TRUE(append("b"));
  open();
  EXPECT_EQ((*log->bounds(kLane))[0].end.value, 3);
  EXPECT_TRUE(read().at(1) == large);
}

TEST_F(LogFaults, those_just_answered_are_waited_for_and_a_lone_sender_is_not) {
  options.commit_delay_us_max = 50'000;  // far above what a commit takes here
  open();
  const auto commits = [this] { return log->stats().commits; };
  ASSERT_TRUE(append("first"));
  const int64_t started = runtime->clock().mono_ns();
  ASSERT_TRUE(append("alone"));
  EXPECT_LT(runtime->clock().mono_ns() - started, 20'000'000);
  // Twenty senders, each with one record under way, come back when they are answered.
  int answered = 0;
  std::function<void(int)> send = [&](int left) {
    if (left == 0) return;
    Batch b;
    b.count = 1;
    encode_record(b.data, "r");
    log->append(*loop, kLane, {b}, [&, left](Result<std::vector<Appended>> r) {
      EXPECT_TRUE(r);
      answered++;
      loop->after(std::chrono::milliseconds(1), [&send, left] { send(left - 1); });
    });
  };
  const uint64_t before = commits();
  for (int i = 0; i < 20; i++) send(10);
  ASSERT_EQ(runtime->run_until([&] { return answered == 200; }), runtime::SimEnd::kDone);
  EXPECT_LE(commits() - before, 12U);  // without waiting: two alternating halves, twice as many
}

TEST_F(LogFaults, stale_blocks_of_a_recycled_file_are_not_taken_for_new_ones) {
  open();
  ASSERT_TRUE(append("a"));
  const auto found = inspect_topic(*runtime, "/data/log", kLane);
  auto file = runtime->files().open((*found)[0].file, {});
  const auto header = read_segment_header(**file, (*found)[0].file);
  ASSERT_TRUE(header);
  Walk walk{header->epoch, 1, kSegmentHeaderBytes, header->first_block, options.segment_bytes};
  int blocks = 0;
  const auto count = [&](WalkedBlock&&) { return ++blocks > 0; };
  walk_blocks(**file, walk, count);
  EXPECT_EQ(blocks, 1);
  walk.epoch++;
  EXPECT_EQ(walk_blocks(**file, walk, count).at, kSegmentHeaderBytes);
  EXPECT_EQ(*find_later_block(**file, walk), 0U);
  EXPECT_EQ(blocks, 1);
}

}  // namespace
}  // namespace penstock::log
