// Simulation: the whole product on one thread, on virtual time and a disk that lies, from a seed.
//
// A run is several lives of the process on one machine: capture, log, ingest, replay, load, ledger
// and persons are the real ones; clients, network, disk, clock, event store, object store and the
// person store's way are simulated and fail as the seed says (a swarm: each seed has its own few
// kinds of faults and its own tempo). At the end everything is healed, the product must come to
// rest in bounded time, and every promise is checked. A broken promise is data, not an exception.
//
// Single thread, any; runs share nothing but the process's metrics. Units: virtual microseconds.
// The same seed, options and commit give the same trace, whatever the build. It never fails; a
// violated assertion of the product ends the process, as it does in life.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace penstock::simulation {

struct Options {
  size_t lives_max = 12;             // before everything is healed
  int64_t life_us_max = 60'000'000;  // of one that is not killed
  bool faults = true;                // false: a peaceful run
  std::vector<std::string> only{};   // kinds of faults; empty: as the seed says
  uint64_t first_kill_io = 0;        // the first life dies in this I/O; 0: as the seed says
  uint64_t shares_from = 0;          // from this life on two loaders share partitions; 0: never
};

struct Violation {
  std::string invariant;  // "acknowledged", "order", … : docs/TESTING.md lists them
  std::string detail;     // one line, for a person
};

struct Report {
  uint64_t seed = 0;
  uint64_t trace = 0;      // equal for runs that did the same
  int64_t virtual_us = 0;  // that passed in all lives
  uint64_t steps = 0;      // turns of loops and jobs of the pool
  uint64_t lives = 0, kills = 0;
  uint64_t requests = 0, acknowledged = 0, rows = 0;
  int64_t settle_us = 0;                     // from healing until all was at rest
  std::map<std::string, uint64_t> faults{};  // how often each kind struck
  std::vector<std::string> enabled{};        // kinds this seed could have
  std::vector<std::string> probes{};         // reached (base/probe.h)
  std::vector<Violation> violations{};       // empty: all promises hold

  bool good() const { return violations.empty(); }
};

Report run(uint64_t seed, const Options& options = {});

/// Every kind of fault, by name.
const std::vector<std::string_view>& fault_names();

/// A kind of fault for somebody who does not know the code: what it befalls, and what happens, each
/// a part of a sentence. Empty: there is no such kind.
struct FaultWords {
  std::string_view of, words;
};
FaultWords fault_words(std::string_view name);

/// One line of JSON.
std::string to_json(const Report& report);

}  // namespace penstock::simulation
