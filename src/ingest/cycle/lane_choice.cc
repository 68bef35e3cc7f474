#include "ingest/cycle/lane_choice.h"

#include <algorithm>
#include <utility>

#include "base/probe.h"

namespace penstock::ingest {
namespace {

using event::Lane;

/// The least a cycle on credit takes, so that it pays to begin one.
constexpr double kCreditMin = 100;
/// They take turns, so that a flood in one leaves the others their share.
constexpr std::array kInTurns{Lane::kMain, Lane::kOverflow, Lane::kExceptions};

}  // namespace

bool LaneChoice::is_held(const StoreProgress& progress) {
  if (new_bytes_ > 0) ahead_.push_back({progress.appended, new_bytes_});
  ahead_bytes_ += std::exchange(new_bytes_, 0);
  while (!ahead_.empty() && ahead_.front().end <= progress.stored) {
    ahead_bytes_ -= ahead_.front().bytes;
    ahead_.pop_front();
  }
  return progress.appended - progress.stored > static_cast<int64_t>(options_.unstored_max) ||
         ahead_bytes_ > options_.unstored_bytes_max;
}

LaneChoice::Turn LaneChoice::bulk_turn(Lane lane, bool beside_live) const {
  if (!beside_live) return {lane, options_.events_max, options_.bytes_max};
  return {lane, std::min(options_.events_max, options_.bulk_events_max),
          std::min(options_.bytes_max, options_.bulk_bytes_max)};
}

std::optional<LaneChoice::Turn> LaneChoice::on_credit(Lane lane) {
  if (credit(lane) < kCreditMin) return std::nullopt;
  Turn turn = bulk_turn(lane, true);
  turn.events_max = std::min(turn.events_max, static_cast<size_t>(credit(lane)));
  credit(lane) -= static_cast<double>(turn.events_max);
  probe<"ingest.bulk_has_its_share">();
  return turn;
}

std::optional<LaneChoice::Turn> LaneChoice::next(const HasRecords& has, int64_t now_ms,
                                                 const Progress& progress) {
  const bool live = has(Lane::kMain) || has(Lane::kExceptions);
  if (live) live_ms_ = now_ms;
  const bool beside_live = live_ms_ && now_ms - *live_ms_ < options_.live_ms;
  const bool historical = has(Lane::kHistorical), overflow = has(Lane::kOverflow);
  bool held = false;
  if (options_.unstored_max > 0 && (historical || overflow)) {
    held = is_held(progress()) && beside_live;
    if (held) probe<"ingest.bulk_waits_for_the_store">();
  }
  waits_ = false;
  if (historical) {
    if (!live && !overflow && !held) return bulk_turn(Lane::kHistorical, beside_live);
    if (const auto turn = on_credit(Lane::kHistorical)) return turn;
  }
  for (size_t i = 1; i <= kInTurns.size(); i++) {
    const size_t at = (turn_ + i) % kInTurns.size();
    const Lane lane = kInTurns[at];
    if (!has(lane)) continue;
    std::optional<Turn> turn = Turn{lane, options_.events_max, options_.bytes_max};
    if (lane == Lane::kOverflow) turn = held ? on_credit(lane) : bulk_turn(lane, beside_live);
    if (!turn) continue;
    turn_ = at;
    return turn;
  }
  waits_ = historical || overflow;
  return std::nullopt;
}

void LaneChoice::decided(Lane lane, size_t events, size_t bytes) {
  const bool bulk = lane == Lane::kHistorical || lane == Lane::kOverflow;
  if (bulk && options_.unstored_max > 0) new_bytes_ += bytes;
  const auto share = static_cast<double>(std::min<size_t>(options_.share_percent, 90));
  const auto give = [&](Lane to) {
    credit(to) = std::min(credit(to) + static_cast<double>(events) * share / (100 - share),
                          static_cast<double>(options_.events_max));
  };
  if (lane != Lane::kHistorical) give(Lane::kHistorical);
  if (!bulk) give(Lane::kOverflow);
}

}  // namespace penstock::ingest
