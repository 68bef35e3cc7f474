// The scrub finds damage in old segments of a running log and nothing else. Method: fill a topic on
// a simulated disk, damage it or let reads fail, and let passes go by in virtual time.
#include "log/scrub.h"

#include <gtest/gtest.h>

#include <optional>

#include "log/embedded/scrub_state.h"
#include "log/embedded/segment.h"
#include "log/embedded_log.h"
#include "runtime/sim_runtime.h"

namespace penstock::log {
namespace {

using std::chrono::seconds;

constexpr char kLane[] = "lane";
constexpr int64_t kHourMs = 3'600'000;

class LogScrubTest : public testing::Test {
 protected:
  LogScrubTest() {
    EXPECT_TRUE(disk->create_directories("/data/state"));
    options.directory = "/data/log";
    options.state_path = "/data/state/scrub";
    options.bytes_per_second = 1U << 20;
    options.every_ms = kHourMs;
  }
  ~LogScrubTest() override { close(); }

  void open() {
    close();
    runtime = std::make_unique<runtime::SimRuntime>(++life, disk);
    loop = &runtime->make_loop();
    EmbeddedLogOptions log_options;
    log_options.directory = options.directory;
    log_options.segment_bytes = 256U << 10;
    log_options.free_reserve_bytes = 0;
    log = open_embedded_log(*runtime, *loop, log_options);
    TopicSpec spec;
    spec.name = kLane;
    spec.retention_bytes = retention_bytes;
    ASSERT_TRUE(log->start({spec}));
    scrub = Scrub::make(*loop, *runtime, options);
    scrub->start();
  }
  void close() {
    scrub.reset();
    if (log) log->stop();
    log.reset();
    runtime.reset();
  }

  void append(int count) {
    for (int i = 0; i < count; i++) {
      Batch b;
      b.count = 1;
      encode_record(b.data, std::string(10'000, 'x'));
      std::optional<Result<std::vector<Appended>>> got;
      log->append(*loop, kLane, {b}, [&](auto r) { got.emplace(std::move(r)); });
      ASSERT_EQ(runtime->run_until([&] { return got.has_value(); }), runtime::SimEnd::kDone);
      ASSERT_TRUE(*got);
    }
  }
  std::vector<std::string> segments() const {
    std::vector<std::string> out;
    const auto names = disk->list("/data/log/lane");
    for (const auto& name : *names) {
      if (name.ends_with(".seg")) out.push_back("/data/log/lane/" + name);
    }
    return out;
  }
  /// Until a pass ends that begins later than now.
  ScrubStatus pass() {
    runtime->run_for(seconds(60));  // one that is under way
    const int64_t before = scrub->status().last_ended_ms;
    runtime->run_for(std::chrono::milliseconds(kHourMs));
    EXPECT_GT(scrub->status().last_ended_ms, before);
    return scrub->status();
  }

  std::shared_ptr<runtime::SimDisk> disk = std::make_shared<runtime::SimDisk>(1);
  std::unique_ptr<runtime::SimRuntime> runtime;
  runtime::Loop* loop = nullptr;
  std::unique_ptr<Log> log;
  std::unique_ptr<Scrub> scrub;
  ScrubOptions options;
  uint64_t retention_bytes = 0;
  uint64_t life = 0;
};

TEST_F(LogScrubTest, whole_segments_are_read_at_the_rate_and_nothing_is_found) {
  open();
  append(100);
  const ScrubStatus s = pass();
  EXPECT_TRUE(s.damage.empty());
  EXPECT_EQ(s.last_files, segments().size() - 1) << "the newest is still written to";
  EXPECT_GT(s.last_bytes, 100U * 10'000 * 8 / 10);
  // About a megabyte took about a second, and not less.
  const int64_t took_ms = s.last_ended_ms - s.pass_began_ms;
  EXPECT_GE(took_ms, static_cast<int64_t>(s.last_bytes * 1000 >> 20));
  EXPECT_LT(took_ms, 5000);
}

TEST_F(LogScrubTest, damage_is_found_kept_and_forgotten_when_it_is_mended) {
  open();
  append(100);
  pass();
  const std::string file = segments()[1];
  const auto whole = runtime::read_file(*disk, file, 1U << 20);
  ASSERT_TRUE(whole);
  ASSERT_TRUE(disk->corrupt(file, kSegmentHeaderBytes + 3 * kPage + 99));
  ScrubStatus s = pass();
  ASSERT_EQ(s.damage.size(), 1U);
  EXPECT_EQ(s.damage[0].file, file);
  EXPECT_EQ(s.damage[0].problem,
            "damaged at byte " + std::to_string(kSegmentHeaderBytes + 3 * kPage));
  EXPECT_EQ(s.last_files, segments().size() - 1) << "the others were read, too";
  // A restart knows it before it has read it again, and reads no new pass before its time.
  const int64_t found_ms = s.damage[0].found_ms, ended_ms = s.last_ended_ms;
  open();
  s = scrub->status();
  ASSERT_EQ(s.damage.size(), 1U);
  EXPECT_EQ(s.damage[0].found_ms, found_ms);
  EXPECT_EQ(s.last_ended_ms, ended_ms);
  EXPECT_FALSE(s.running);
  ASSERT_TRUE(disk->overwrite(file, 0, *whole));
  EXPECT_TRUE(pass().damage.empty());
}

TEST_F(LogScrubTest, a_file_that_is_cut_off_at_a_blocks_end_is_damage) {
  open();
  append(60);
  const std::string file = segments()[1];
  const uint64_t at = kSegmentHeaderBytes + 2 * 3 * kPage;  // behind its second block
  ASSERT_TRUE((*disk->open(file, {}))->truncate(at));
  const ScrubStatus s = pass();
  ASSERT_EQ(s.damage.size(), 1U);
  EXPECT_EQ(s.damage[0].file, file);
  EXPECT_EQ(s.damage[0].problem,
            "damaged at byte " + std::to_string(at) + " (it is cut off there)");
}

TEST_F(LogScrubTest, a_header_that_cannot_be_read_is_damage) {
  open();
  append(60);
  const std::string file = segments()[0];
  ASSERT_TRUE(disk->corrupt(file, 5));
  EXPECT_TRUE(pass().damage.empty()) << "the other copy is good";
  ASSERT_TRUE(disk->corrupt(file, kHeaderCopyBytes + 5));
  EXPECT_EQ(pass().damage.at(0).file, file);
}

TEST_F(LogScrubTest, what_could_not_be_read_once_is_looked_at_again) {
  open();
  append(60);
  int failures = 1;
  const std::string file = segments()[0];
  disk->set_faults({.fails = [&](const runtime::SimOp& op) {
    return op.kind == runtime::SimOp::Kind::kRead && op.path == file && failures-- > 0;
  }});
  EXPECT_TRUE(pass().damage.empty());
  EXPECT_LE(failures, 0);
  failures = 1'000'000;
  EXPECT_EQ(pass().damage.at(0).file, file);
  disk->set_faults({});
  EXPECT_TRUE(pass().damage.empty());
}

TEST_F(LogScrubTest, a_restart_goes_on_where_the_last_life_stopped) {
  options.bytes_per_second = 64U << 10;
  open();
  append(100);
  const auto names = segments();
  ASSERT_GT(names.size(), 4U);
  runtime->run_until([&] { return scrub->status().file == names[2]; });
  const ScrubStatus before = scrub->status();
  std::vector<std::string> read;
  open();
  disk->set_faults({.fails = [&](const runtime::SimOp& op) {
    if (op.kind == runtime::SimOp::Kind::kRead && op.bytes > kSegmentHeaderBytes) {
      read.push_back(op.path);
    }
    return false;
  }});
  EXPECT_TRUE(scrub->status().running);
  EXPECT_EQ(scrub->status().pass_began_ms, before.pass_began_ms);
  runtime->run_until([&] { return !scrub->status().running; });
  EXPECT_EQ(scrub->status().last_files, names.size() - 1);
  ASSERT_FALSE(read.empty());
  EXPECT_GE(read.front(), names[1]);
}

TEST_F(LogScrubTest, segments_that_are_recycled_meanwhile_are_no_damage) {
  retention_bytes = 1U << 20;
  options.every_ms = 1;
  options.bytes_per_second = 256U << 10;
  open();
  for (int i = 0; i < 100; i++) {
    append(20);
    runtime->run_for(seconds(1));
  }
  EXPECT_TRUE(scrub->status().damage.empty());
  EXPECT_GT(scrub->status().bytes_checked, 1U << 20);
  EXPECT_GT(segments().front(), "/data/log/lane/0000000000000010.seg") << "nothing was recycled";
}

TEST_F(LogScrubTest, what_a_failed_write_left_behind_is_no_damage) {
  options.every_ms = 1;
  open();
  for (int i = 0; i < 12; i++) {
    append(15);
    disk->set_faults({.sync_error_at = disk->sync_count() + 1});
    Batch b;
    b.count = 1;
    encode_record(b.data, std::string(10'000, 'y'));
    std::optional<Result<std::vector<Appended>>> got;
    log->append(*loop, kLane, {b}, [&](auto r) { got.emplace(std::move(r)); });
    runtime->run_until([&] { return got.has_value(); });
    runtime->run_for(seconds(3));
  }
  EXPECT_GT(scrub->status().bytes_checked, 1U << 20);
  EXPECT_TRUE(scrub->status().damage.empty()) << scrub->status().damage[0].file;
}

TEST(LogScrubState, comes_back_as_it_was) {
  ScrubState s;
  s.running = true;
  s.place = {"lane", "0000000000000001.seg"};
  s.began_ms = 5;
  s.bytes = 6;
  s.files = 7;
  s.damage[{"lane", "0000000000000001.seg"}] = {"", "damaged at\nbyte 5", 9};
  const auto back = ScrubState::decode(s.encode());
  ASSERT_TRUE(back);
  EXPECT_EQ(back->place, s.place);
  EXPECT_EQ(back->files, 7U);
  EXPECT_EQ(back->damage.begin()->second.problem, "damaged at byte 5");
  const auto empty = ScrubState::decode(ScrubState{}.encode());
  ASSERT_TRUE(empty);
  EXPECT_EQ(empty->place.name, "");
  EXPECT_FALSE(ScrubState::decode("something else"));
  EXPECT_FALSE(ScrubState::decode("scrub-1\n1 2"));
}

}  // namespace
}  // namespace penstock::log
