#include "load/settled.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "event/lane.h"
#include "load/batch/intent_book.h"
#include "load/batch/intents.h"
#include "load/loader.h"
#include "log/scan.h"

namespace penstock::load {

namespace {

Status check(const Intent& intent, const std::vector<log::Position>& committed) {
  for (const Range& range : intent.ranges) {
    if (range.from >= range.to) continue;
    const auto at = std::ranges::find_if(
        committed, [&](const log::Position& p) { return p.partition == range.partition; });
    if (at != committed.end() && at->next >= range.to) continue;
    return fail(Code::kConflict,
                "the last batch of rows was sent and not confirmed. Start Penstock with the store "
                "it had, wait until everything is stored, and stop it in order");
  }
  return {};
}

}  // namespace

Status check_settled(runtime::FileSystem& files, const std::string& state_path,
                     const std::vector<log::Position>& committed) {
  // Which partitions there are is the log's to say; one that it does not have is not committed.
  PENSTOCK_TRY(const std::optional<Intent> left, read_intent_file(files, state_path, SIZE_MAX));
  return left ? check(*left, committed) : Status{};
}

void check_shared_settled(log::Log& log, runtime::Loop& home, size_t partitions,
                          std::vector<log::Position> committed,
                          std::move_only_function<void(Status)> done) {
  const std::string topic(kIntentsTopic);
  const auto bounds = log.bounds(topic);
  if (!bounds) return done(std::unexpected(bounds.error()));
  log::ScanRange range{{0}, bounds->front().start, bounds->front().end};
  for (const log::Position& p : log.committed(std::string(event::kGroupLoad), topic)) {
    range.from = std::clamp(p.next, range.from, range.to);
  }
  auto book = std::make_shared<IntentBook>(partitions);
  const auto visit = [book](const log::ScanSlice& slice) -> Status {
    for (size_t i = 0; i < slice.records.size(); i++) {
      PENSTOCK_CHECK(
          book->apply(Offset{slice.base.value + static_cast<int64_t>(i)}, slice.records[i]));
    }
    return {};
  };
  log::scan(log, home, topic, {range}, visit,
            [book, committed = std::move(committed), done = std::move(done)](Status s) mutable {
              for (const Intent& i : book->open()) {
                if (s) s = check(i, committed);
              }
              done(std::move(s));
            });
}

}  // namespace penstock::load
