// Standing by: of the processes with ingest one decides; the others follow, with warm books, until
// it is their turn (docs/decisions/0024-stages-as-processes.md).
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <chrono>
#include <thread>
#include <utility>

#include "base/diag.h"
#include "main/deciding.h"
#include "main/process_parts.h"

namespace penstock::cli {
namespace {

constexpr int64_t kAtOnceMs = 1500;  // when nobody else is there the answer comes before that
constexpr int64_t kLookMs = 50;
constexpr auto kSteady = std::chrono::milliseconds(300);
constexpr auto kToldLater = std::chrono::milliseconds(2500);

}  // namespace

Status Process::Parts::join_lease() {
  if (lease && !lease->over()) return {};
  PENSTOCK_TRY(lease, ask_to_decide(settings, *runtime, data_dir));
  return {};
}

/// Whether there is something to decide here. Of slices, once it stays the same for a moment: when
/// processes come and go the group hands them out in steps.
bool Process::Parts::holds_slices(int64_t wait_ms) {
  lease->give_back();  // nothing is decided here now
  if (!lease->wait(wait_ms)) return false;
  if (settings.slices == 1) return true;
  slices = lease->held();
  std::this_thread::sleep_for(kSteady);
  return !slices.empty() && slices == lease->held();
}

/// Answers once this process decides; kCancelled: it was asked to stop before.
Status Process::Parts::stand_by() {
  if (settings.log_engine != "kafka" || !settings.runs("ingest")) return {};
  // Whoever comes back decides at once, and needs nothing to follow another one with.
  if (lease || has_asked_to_decide(settings, runtime->files(), data_dir)) {
    PENSTOCK_CHECK(join_lease());
    if (holds_slices(kAtOnceMs)) return {};
  }
  const auto reading = cli::open_log(settings, *runtime, log_thread.loop(), data_dir, catalog.get(),
                                     /*follows=*/true);
  if (const Status begun = reading->start(topics_of(settings)); !begun) {
    reading->stop();
    return begun;
  }
  PENSTOCK_CHECK(join_lease());
  std::unique_ptr<ledger::Ledger> books;
  std::shared_ptr<ledger::LedgerFollow> following;
  Status outcome;
  while (outcome && !holds_slices(books ? kLookMs : kAtOnceMs)) {
    if (asked.wait_for(std::chrono::seconds(0)) == std::future_status::ready) {
      outcome = fail(Code::kCancelled, "asked to stop while standing by");
    } else if (!books) {
      diag::info("standing by: another process decides");
      PENSTOCK_TRY(auto kv, disk->open({data_dir + "/state/ledger", settings.state_cache_bytes}));
      ledger::LedgerOptions options = ledger_options_of(settings);
      options.decided_elsewhere = options.stored_elsewhere = true;
      books = ledger::make_ledger(std::move(kv), options);
      outcome = await(
          pipeline, [&](auto done) { books->recover(*reading, pipeline.loop(), std::move(done)); });
      following = ledger::LedgerFollow::make(pipeline.loop(), *reading, *books);
      on_loop(pipeline, [&] { following->start(); });
      health.standing_by();
    }
  }
  if (following) on_loop(pipeline, [&] { following->stop(); });
  if (books) {
    if (const Status kept = books->checkpoint(*reading); !kept) {
      diag::warn("checkpoint failed", {{"error", kept.error().message}});
    }
  }
  reading->stop();
  // What it still answered has to be heard before the books go.
  for (int turn = 0; turn < 3; turn++) on_loop(pipeline, [] {});
  if (books && outcome) diag::info("deciding from here on");
  return outcome;
}

void Process::Parts::wake(Woken why) {
  if (std::exchange(is_woken, true)) return;
  woken = why;
  asked_to_stop.set_value();
}

/// What is decided here is another now: it ends, gives back what it lost, and begins anew with what
/// it has, as every start does. Whoever is given the rest waits for that, or shuts it out.
void Process::Parts::watch_lease() {
  if (!lease || settings.slices == 1) return;
  const auto look = [this] {
    if (lease->held() == slices || is_woken) return;
    diag::info("decides other slices of the projects from here on: begins anew",
               {{"slices", fmt::format("{}", fmt::join(lease->held(), ","))}});
    wake(Woken::kAnew);
  };
  lease->on_change([this, look] { admin_thread.loop().post(look); });
  admin_thread.loop().post(look);
}

/// Another process decides from here on, and the log refuses what this one would write. It ends, so
/// that whoever started it starts it again, and then it stands by; of several slices it may have
/// others left, and begins anew by itself.
void Process::Parts::give_way() {
  if (settings.slices == 1) {
    diag::error("another process decides now: this one ends");
    return admin_thread.loop().post([this] { wake(Woken::kGaveWay); });
  }
  diag::error("another process decides a slice now that was decided here: begins anew");
  // The group soon tells this member, too, what it has.
  admin_thread.loop().post(
      [this] { admin_thread.loop().after(kToldLater, [this] { wake(Woken::kAnew); }); });
}

}  // namespace penstock::cli
