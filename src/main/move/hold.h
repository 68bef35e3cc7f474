// Hold: a Penstock that takes events into its log and does nothing else, while its state is moved.
//
// `state/move.hold` says so to every start on the data directory: only capture runs, and neither
// state, store, catalog changes nor objects are open but to whoever moves them. `run/again` asks a
// process that ends to begin anew in its own place, with the same process id and command line; both
// switches together are all that clients notice. main's thread; calls block.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "main/move/config_lines.h"

namespace penstock::cli::move {

// --- in the process that is held

/// Beside "capture" in a held process's Settings::stages; nobody can ask for it by name.
inline constexpr std::string_view kHeldStage = "held";
bool is_held(const std::string& data_dir);
/// The process is held and takes events; `settled` as load/settled.h has it.
Status tell_held(const std::string& data_dir, const Status& settled);
void forget_held(const std::string& data_dir);
/// True, once: the process should begin anew instead of ending.
bool asked_again(const std::string& data_dir);
/// Does that; answers only when it cannot.
int begin_again();

/// What a held process that moves its log is at: kLogCopying, …
struct LogCopyState {
  std::string state;
  uint64_t records = 0, records_total = 0, bytes = 0;
  std::string text;  // a summary, or what went wrong
};
inline constexpr std::string_view kLogCopying = "copying";
inline constexpr std::string_view kLogReady = "ready";  // all but what comes now is copied
inline constexpr std::string_view kLogMoved = "moved";  // the log is closed; it begins anew
inline constexpr std::string_view kLogFailed = "failed";
/// What a process that is held does with its log.
struct LogOrder {
  std::string to;  // an engine; empty: the log stays
  uint64_t piece_bytes = 4U << 20;
  uint64_t bytes_per_second = 0;  // 0: as fast as it goes
};
LogOrder log_order_of(const std::string& data_dir);
Status tell_log_copy(const std::string& data_dir, const LogCopyState& state);
bool finish_asked(const std::string& data_dir);
/// What penstock.toml has to say when the log has moved; asked once.
Result<ConfigChanges> take_finish(const std::string& data_dir);
/// Is held no longer, and begins anew.
Status begin_anew(const std::string& data_dir);

// --- in the one that moves

/// Makes the Penstock that runs on a data directory hold; at once when it does, and
/// with this order. Answers for how many milliseconds it took no requests. kConflict: engines that
/// `changes` names are set where a new configuration does not reach them. kUnavailable: it did not
/// come back.
Result<int64_t> hold(const std::string& data_dir, const ConfigChanges& changes,
                     const LogOrder& log);
/// How long it took until it ran again, and of these how long requests were refused at most.
struct Switch {
  int64_t took_ms = 0, refused_ms = 0;
};
/// kUnavailable: nobody moves a log there.
Result<LogCopyState> log_copy_of(const std::string& data_dir);
/// Lets the process that moved its log switch and go on; waits until it is there. An error: it
/// goes on holding, on the engines it had.
Result<Switch> finish_log(const std::string& data_dir, const ConfigChanges& changes);
/// What the held process says of its rows.
Status settled_of(const std::string& data_dir);
/// Lets it run as its configuration says now; waits until it is there.
Result<Switch> let_go(const std::string& data_dir);

}  // namespace penstock::cli::move
