// CrashLoop: this very binary, started on a directory of its own, killed again and again under
// load, and asked for every event that it acknowledged.
//
// A life ends by SIGKILL while it starts, soon after, or later; the engine child is killed alone;
// the process stands still for a while; sometimes it is asked to stop. In between comes an audit:
// clients rest, everything is carried to the store, and what is there is compared with what was
// promised and with the ledger. Owner: the command. Thread: `run` blocks and must be called from
// one thread for the whole loop (children end with it). Failure: what was found wrong is data, in
// `violations`, and so is a server that does not start again; an Error means that it never began.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/result.h"

namespace penstock::cli::prove {

struct CrashOptions {
  std::string directory;  // for the data directory; must be on the disk that is to be proved
  uint64_t seed = 1;
  uint64_t kills = 50;
  size_t clients = 3;
  uint64_t kills_per_audit = 40;
};

/// How a life ended, or was troubled.
enum class Blow : uint8_t {
  kWhileStarting,
  kSoonAfterStart,
  kAtWork,
  kEngineAlone,  // its child with the database
  kEngineAway,
  kAfterStanding,
  kStoodStill,   // no death
  kAskedToStop,  // no kill
};
inline constexpr size_t kBlows = 8;
inline constexpr bool is_kill(Blow blow) { return blow < Blow::kStoodStill; }

/// What is asked of a server that was killed.
enum class Check : uint8_t {
  kStarts,      // it starts again, and ends only when told to
  kAnswers,     // clients get answers they can act on
  kRests,       // what it took in comes to an end
  kKept,        // nothing acknowledged is lost
  kOnce,        // nothing is stored twice
  kRecordings,  // nor of recordings, either way
  kPersons,     // each distinct id has one person
  kBooks,       // ledger and store agree
  kNoticed,     // what is missing is missed
};
inline constexpr size_t kChecks = 9;

struct Checked {
  uint64_t looked_at = 0, wrong = 0;
};

struct CrashReport {
  uint64_t seed = 0;
  std::array<uint64_t, kBlows> blows{};
  std::array<Checked, kChecks> checks{};         // of the last audit, which looks at everything
  std::map<std::string, uint64_t> acknowledged;  // events by kind
  uint64_t kills = 0, audits = 0, repeats = 0, unanswered = 0, refused = 0;
  uint64_t stored = 0, deduplicated = 0, quarantined = 0, redriven = 0;  // the ledger's, at the end
  uint64_t lost = 0, doubled = 0;
  double seconds = 0, longest_start_ms = 0, longest_rest_ms = 0;
  std::vector<std::string> violations;  // empty: every promise was kept
  std::string directory;                // kept when something was violated

  Checked& of(Check check) { return checks[static_cast<size_t>(check)]; }
  const Checked& of(Check check) const { return checks[static_cast<size_t>(check)]; }
};

struct CrashProgress {
  std::atomic<uint64_t> kills = 0, acknowledged = 0, audits = 0;
};

Result<CrashReport> run_crash_loop(const CrashOptions& options, CrashProgress& progress);

}  // namespace penstock::cli::prove
