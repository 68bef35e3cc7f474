// Faults: what goes wrong in a run, how often, and how often it did.
//
// A seed enables some kinds and gives each an intensity. Whoever can be struck asks `strike` at
// every opportunity. To add a kind: a line here, one in faults.cc (with words for a reader), and a
// place that asks. One owner, one thread.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "simulation/world/dice.h"

namespace penstock::simulation {

enum class Fault : uint8_t {
  // The process.
  kPowerLoss,    // dies in some I/O; the disk forgets what was not synced
  kKilled,       // dies in some I/O; the machine lives on
  kPause,        // stands still for a while
  kThreadPause,  // one of its threads does, while the others go on
  kPoolFull,     // blocking work is refused
  kClockJump,    // the wall clock jumps, either way
  // The disk.
  kTornWrites,       // a power loss keeps single sectors
  kLostWrites,       // … nothing
  kReorderedWrites,  // … any pages
  kSyncError,
  kFolderSyncError,  // names cannot be made durable for a while
  kWriteError,
  kReadError,  // now and then
  kBadSector,  // reads fail until the disk is healed
  kDiskFull,   // until there is room again
  kSlowDisk,
  kStateError,  // the engines of ledger and persons refuse a write
  // What a sound disk does not do: it must be told, never served.
  kBitRot,
  kMisdirectedWrite,
  kForgottenWrite,  // acknowledged, synced, not there
  // The network between clients and capture.
  kRequestLost,
  kAnswerLost,
  kRequestTwice,
  kRequestLate,
  // The event store.
  kStoreAway,  // 5xx
  kStoreBusy,  // 429
  kStoreSlow,
  kStoreSilent,   // stored, and no word of it
  kStoreHalf,     // some tables are stored, then the connection closes
  kStoreRefuses,  // rows of one kind are not taken, ever
  // Log, person store and object store, where they are remote services.
  kLogSilent,  // an append is done, and no word of it
  kPersonsAway,
  kPersonsSilent,
  kObjectsAway,
  kObjectsSilent,
  // Apps.
  kAppHangs,       // answers at its deadline
  kAppGarbles,     // what it makes of an event is none
  kAppWorkerDies,  // another app ended the worker that it was called in
  // What apps send stored events to.
  kDestinationAway,  // 5xx
  kDestinationBusy,  // 429
  kDestinationSlow,
  kDestinationHalf,  // it has the event, and the connection closes before it answers
  kCount
};
inline constexpr size_t kFaults = static_cast<size_t>(Fault::kCount);

std::string_view fault_name(Fault fault);

class Faults {
 public:
  /// Draws which kinds the seed has; `only` replaces the draw.
  Faults(uint64_t seed, bool any, const std::vector<std::string>& only);

  bool enabled(Fault fault) const { return ppm_[index(fault)] > 0; }
  /// Whether it happens now; counted. Never once calm.
  bool strike(Fault fault) {
    const uint64_t ppm = ppm_[index(fault)];
    if (calm_ || ppm == 0 || !dice_.ppm(ppm)) return false;
    counts_[index(fault)]++;
    return true;
  }
  /// For what is decided elsewhere.
  void count(Fault fault) { counts_[index(fault)]++; }
  uint64_t count_of(Fault fault) const { return counts_[index(fault)]; }
  void calm() { calm_ = true; }
  bool is_calm() const { return calm_; }
  /// Something that does not strike often enough to matter if it lasts.
  Dice& dice() { return dice_; }

 private:
  static size_t index(Fault f) { return static_cast<size_t>(f); }

  Dice dice_;
  std::array<uint64_t, kFaults> ppm_{}, counts_{};
  bool calm_ = false;
};

}  // namespace penstock::simulation
