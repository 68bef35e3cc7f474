// The log: segments in the data directory, Kafka's topics.
//
// Offline this process has both sides open. A Penstock that is held copies its log itself, and here
// is only shown how far it is; it also does the switch (held_log.h).
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <thread>

#include "base/hash.h"
#include "log/kafka_log.h"
#include "main/catalog_engine.h"
#include "main/log_engine.h"
#include "main/move/hold.h"
#include "main/move/log_move.h"
#include "main/move/part.h"
#include "main/on_loop.h"
#include "main/topics.h"

namespace penstock::cli::move {
namespace {

constexpr auto kLook = std::chrono::milliseconds(50);
/// A Penstock that is held and gone says nothing any more.
constexpr int kSilentMax = 600;

/// Both sides in this process.
class HereCopy {
 public:
  explicit HereCopy(Moving& moving) : moving_(moving) {
    pipeline_.start();
    home_.start();
  }
  ~HereCopy() {
    move_.reset();
    if (source_) {
      source_->stop();
      on_loop(home_, [this] { source_.reset(); });
    }
    on_loop(pipeline_, [this] { look_.reset(); });
    for (runtime::LoopThread* t : {&home_, &pipeline_}) {
      t->stop();
      t->join();
    }
    catalog_.reset();
  }

  Result<std::string> run() {
    PENSTOCK_TRY(catalog_, open_catalog(moving_.settings, moving_.runtime, moving_.data_dir,
                                        pipeline_, look_));
    source_ = open_log(moving_.settings, moving_.runtime, home_.loop(), moving_.data_dir,
                       catalog_.get(), /*follows=*/true);
    PENSTOCK_CHECK(source_->start(topics_of(moving_.settings)));
    move_.emplace(moving_.settings, moving_.runtime, moving_.data_dir, *source_, *catalog_);
    uint64_t records = 0, bytes = 0;
    moving_.progress.begin("log", "copying", 0, 0);
    PENSTOCK_CHECK(move_->begin(
        [&](const log::CopyProgress& p) {
          moving_.progress.reach(p.records_total);
          moving_.progress.add(p.records - records, p.bytes - bytes);
          records = p.records;
          bytes = p.bytes;
          return true;
        },
        moving_.piece_bytes));
    PENSTOCK_TRY(const uint64_t moved, move_->catch_up());
    (void)moved;
    PENSTOCK_CHECK(move_->finish());
    return move_->summary();
  }

 private:
  Moving& moving_;
  runtime::LoopThread pipeline_{"move-catalog"}, home_{"move-log"};
  std::optional<CatalogLook> look_;
  std::unique_ptr<catalog::Catalog> catalog_;
  std::unique_ptr<log::Log> source_;
  std::optional<LogMove> move_;
};

class LogPart final : public Part {
 public:
  explicit LogPart(Moving& moving) : moving_(moving) {}

  std::string name() const override { return "log"; }
  std::string from() const override { return moving_.out ? "embedded" : "kafka"; }
  std::string to() const override { return moving_.out ? "kafka" : "embedded"; }
  std::string option() const override { return "log.engine"; }
  std::string target() const override {
    const log::KafkaLogOptions& k = moving_.settings.kafka;
    return moving_.out ? fmt::format("{:016x}", hash64(k.brokers + "\n" + k.topic_prefix))
                       : moving_.data_dir + "/log";
  }

  Status check(bool /*ours*/) override {
    if (moving_.settings.kafka.brokers.empty()) {
      return fail(Code::kInvalid, "log.kafka_brokers is not set: name the brokers there");
    }
    if (moving_.settings.slices > 1) {
      return fail(Code::kInvalid, "a log of several slices (ingest.slices) cannot be moved");
    }
    PENSTOCK_CHECK(log::check_kafka_options(moving_.settings.kafka));
    // What the topics hold is looked at when copying begins: it may be of an earlier run.
    const auto kafka = log::open_kafka_log(moving_.runtime, moving_.settings.kafka);
    const Status reached = kafka->start({});
    kafka->stop();
    if (!reached) return fail(reached.error(), "log.kafka_brokers");
    return {};
  }

  /// It grows meanwhile; what was copied is compared again when a copy goes on.
  Result<std::string> source_state() override { return std::string("log"); }
  Result<uint64_t> bytes_needed() override { return uint64_t{0}; }

  Status copy(PartNote& note) override {
    if (moving_.held) {
      PENSTOCK_CHECK(watch());
    } else {
      HereCopy here(moving_);
      PENSTOCK_TRY(said_, here.run());
    }
    note.copied = true;
    note.digest = "-";
    return {};
  }

  Result<std::string> compare(PartNote& note) override {
    if (said_.empty()) PENSTOCK_CHECK(copy(note));  // compares what is there already
    return said_;
  }

  Status finish() override { return {}; }

 private:
  Status watch() {
    moving_.progress.begin("log", "copying", 0, 0);
    uint64_t records = 0, bytes = 0;
    for (int silent = 0; silent < kSilentMax;) {
      const auto now = log_copy_of(moving_.data_dir);
      silent = now ? 0 : silent + 1;
      if (now && now->state == kLogFailed) return fail(Code::kConflict, now->text);
      if (now && now->records >= records) {
        moving_.progress.reach(now->records_total);
        moving_.progress.add(now->records - records, now->bytes - bytes);
        records = now->records;
        bytes = now->bytes;
      }
      if (now && now->state == kLogReady) {
        said_ = now->text;
        return {};
      }
      std::this_thread::sleep_for(kLook);
    }
    return fail(Code::kUnavailable, "the Penstock that was held says nothing about its log");
  }

  Moving& moving_;
  std::string said_;
};

}  // namespace

std::unique_ptr<Part> make_log_part(Moving& moving) { return std::make_unique<LogPart>(moving); }

}  // namespace penstock::cli::move
