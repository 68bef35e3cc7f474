#include "main/move/held_log.h"

#include <thread>

#include "base/diag.h"
#include "main/deciding.h"

namespace penstock::cli::move {
namespace {

constexpr auto kLook = std::chrono::milliseconds(20);
constexpr auto kBetween = std::chrono::milliseconds(200);
constexpr int64_t kLeaseMs = 10'000;
constexpr auto kSealWait = std::chrono::seconds(5);
/// Fewer records than this in one round: what is left at the switch takes no time.
constexpr uint64_t kFew = 2000;

}  // namespace

HeldLog::HeldLog(const Settings& settings, runtime::Runtime& runtime, std::string data_dir,
                 SealedLog& log, const catalog::Catalog& catalog, const LogOrder& order)
    : settings_(settings),
      runtime_(runtime),
      data_dir_(std::move(data_dir)),
      log_(log),
      catalog_(catalog),
      order_(order) {
  thread_.start();
  thread_.loop().post([this] { run(); });
}

HeldLog::~HeldLog() {
  ending_ = true;
  thread_.stop();
  thread_.join();
}

void HeldLog::tell(std::string_view state, const log::CopyProgress& progress,
                   std::string_view text) {
  const LogCopyState now{std::string(state), progress.records, progress.records_total,
                         progress.bytes, std::string(text)};
  if (Status told = tell_log_copy(data_dir_, now); !told) {
    diag::warn("how far a move is cannot be told", {{"error", told.error().message}});
  }
}

void HeldLog::run() {
  const Status done = work();
  if (done || ending_) return;
  diag::error("the log could not be moved", {{"error", done.error().message}});
  log_.unseal();
  tell(kLogFailed, {}, done.error().message);
}

/// Once it is ready it no longer counts: what comes has to go.
bool HeldLog::keep_pace(const log::CopyProgress& progress) {
  if (ready_) return !ending_;
  const double seconds =
      order_.bytes_per_second == 0
          ? 0
          : static_cast<double>(progress.bytes) / static_cast<double>(order_.bytes_per_second);
  const auto due =
      begun_ + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
  do {
    if (Clock::now() - told_ > kBetween) {
      told_ = Clock::now();
      tell(kLogCopying, progress, "");
    }
    if (Clock::now() >= due) break;
    std::this_thread::sleep_for(kLook);
  } while (!ending_);
  return !ending_;
}

Status HeldLog::work() {
  tell(kLogCopying, {}, "");
  begun_ = told_ = Clock::now();
  LogMove move(settings_, runtime_, data_dir_, log_, catalog_);
  PENSTOCK_CHECK(
      move.begin([this](const log::CopyProgress& p) { return keep_pace(p); }, order_.piece_bytes));
  // Its member's name stays with it until this process has begun anew.
  std::unique_ptr<log::KafkaLease> lease;
  while (!ending_) {
    PENSTOCK_TRY(const uint64_t moved, move.catch_up());
    if (moved < kFew && !ready_) {
      // Brokers let a new group wait for more members: here, rather than while events are refused.
      if (order_.to == "kafka" && !lease) {
        PENSTOCK_TRY(lease, ask_to_decide(settings_, runtime_, data_dir_));
        lease->wait(kLeaseMs);
        continue;
      }
      ready_ = true;
      tell(kLogReady, move.progress(), move.summary());
    }
    if (ready_ && finish_asked(data_dir_)) return finish(move);
    std::this_thread::sleep_for(kLook);
  }
  return {};
}

Status HeldLog::finish(LogMove& move) {
  PENSTOCK_TRY(const ConfigChanges changes, take_finish(data_dir_));
  if (!log_.seal(kSealWait)) {
    return fail(Code::kBusy, "what is under way to the log does not end");
  }
  PENSTOCK_TRY(const uint64_t moved, move.catch_up());
  (void)moved;
  PENSTOCK_CHECK(move.finish());
  tell(kLogMoved, move.progress(), move.summary());
  PENSTOCK_CHECK(write_config(runtime_.files(), data_dir_ + "/penstock.toml", changes));
  // From here on the new log is the log, whatever happens.
  if (Status again = begin_anew(data_dir_); !again) {
    diag::error("the log has moved; this process has to be started again",
                {{"error", again.error().message}});
  }
  return {};
}

}  // namespace penstock::cli::move
