#include "simulation/world/machine.h"

#include <algorithm>

namespace penstock::simulation {
namespace {

/// A report is for people: the first ones say it.
constexpr size_t kViolationsKeptMax = 20;
constexpr uint64_t kShareSeed = 0x10ade5;

}  // namespace

Tempo::Tempo(Dice& dice)
    : partitions(dice.pick<int32_t>({1, 2, 2, 3})),
      segment_bytes(dice.pick<uint64_t>({96U << 10, 128U << 10, 256U << 10, 1U << 20})),
      retention_bytes(dice.pick<uint64_t>({0, 0, 200U << 10, 400U << 10})),
      tail_cache_bytes(dice.pick<uint64_t>({4U << 10, 64U << 10, 32U << 20})),
      pending_bytes_max(dice.pick<uint64_t>({1U << 20, 64U << 20})),
      events_per_cycle_max(dice.pick<size_t>({1, 3, 8, 100, 300})),
      bulk_unstored_max(dice.pick<size_t>({1, 30, 3000})),
      rows_per_batch_max(dice.pick<size_t>({2, 12, 100, 5000})),
      replay_bytes_per_flush(dice.pick<size_t>({400, 2000, 1U << 20})),
      checkpoint_ms(dice.pick<int64_t>({40, 500, 1000, 5000})),
      linger_ms(dice.pick<int64_t>({15, 250, 1000})),
      flush_ms(dice.pick<int64_t>({10, 500, 3000})),
      quarantine_bytes_per_token_max(dice.pick<uint64_t>({2000, 20'000, 64U << 20})),
      overflow_per_second(dice.pick<uint32_t>({0, 1, 100})),
      overflow_burst(dice.pick<uint32_t>({2, 20})),
      think_ms(dice.pick<int64_t>({40, 400, 1500, 4000})),
      reconnect_ms(dice.pick<int64_t>({300, 300, 3000, 10'000})),
      clients(static_cast<size_t>(dice.between(3, 10))),
      requests_waiting_max(dice.pick<size_t>({1, 4, 8192, 8192})),
      fat_percent(dice.pick<uint64_t>({0, 0, 0, 80})),
      v1_percent(dice.pick<uint64_t>({0, 20, 80})),
      redrive_entries_max(dice.pick<size_t>({1, 20, 500})),
      squash_ms(dice.pick<int64_t>({0, 3000, 20'000})),
      deliver_queue_max(dice.pick<uint64_t>({3, 200'000, 200'000, 200'000})),
      attempt_ms(dice.pick<int64_t>({20, 5000})),
      export_attempt_ms(dice.pick<int64_t>({1, 5})),
      sync_ms(dice.pick<int64_t>({1, 5, 5, 250})),
      persons_remote(dice.percent(35)),
      kill_io_max(dice.pick<uint64_t>({40, 200, 1000})) {
  // So little may wait that fat events fill it; but one append of ingest's, replay's or a
  // re-drive's always fits.
  if (fat_percent > 0 && events_per_cycle_max <= 8) {
    pending_bytes_max = 96U << 10;
    redrive_entries_max = std::min<size_t>(redrive_entries_max, 8);
    replay_bytes_per_flush = std::min<size_t>(replay_bytes_per_flush, 2000);
  }
}

Machine::Machine(uint64_t s, const Options& options)
    : seed(s),
      dice(s),
      faults(dice.next(), options.faults, options.only),
      tempo(dice),
      disk(std::make_shared<runtime::SimDisk>(dice.next())),
      shares_from(options.shares_from),
      share_dice(s ^ kShareSeed) {
  const auto gate = [this]() -> Status {
    PENSTOCK_CHECK(disk->foreign_io());
    if (faults.strike(Fault::kStateError))
      return fail(Code::kExhausted, "simulated: state is full");
    return {};
  };
  const auto engine = [&gate] {
    return std::make_shared<kv::MemoryKv>(kv::MemoryKvOptions{true, gate});
  };
  ledger_kv = engine();
  persons_kv = engine();
  cookieless_kv = engine();
  definitions_kv = engine();
  deliver_kv = engine();
  // Switched on for the first project; people change it later.
  settings.push_back({ProjectId{1}, "cookieless",
                      dice.pick({R"({"cookieless_server_hash_mode":"stateless"})",
                                 R"({"cookieless_server_hash_mode":"stateful"})"})});
  report.seed = seed;
  for (size_t i = 0; i < kFaults; i++) {
    const auto kind = static_cast<Fault>(i);
    if (faults.enabled(kind)) report.enabled.emplace_back(fault_name(kind));
  }
}

void Machine::broken(std::string_view invariant, std::string detail) {
  if (report.violations.size() < kViolationsKeptMax) {
    report.violations.push_back({std::string(invariant), std::move(detail)});
  }
}

}  // namespace penstock::simulation
