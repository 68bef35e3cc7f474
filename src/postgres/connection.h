// Connection: one session with PostgreSQL, with a deadline on everything.
//
// The deadlines are kept on this side, with a socket that never blocks: a server that was stopped
// or is cut off does not answer its own statement_timeout. Whatever breaks the session closes it,
// and the next call opens a new one; after a failed attempt the following ones answer at once for
// `retry_ms`. Not thread safe. Failure: kUnavailable, kTimeout, kBusy (a deadlock), kExhausted (its
// disk), kDenied (its permissions), kConflict (a key is taken); kInvalid is a value that the server
// refuses. Messages say "PostgreSQL: …" and carry no values.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "base/result.h"
#include "postgres/servers.h"
#include "postgres/wire_format.h"

namespace penstock::postgres {

struct SessionOptions {
  std::string url;  // postgresql://…, or libpq's key=value form; several servers are tried in turn
  int64_t connect_ms = 3000;  // shared by them
  int64_t statement_ms = 10'000;
  int64_t retry_ms = 1000;  // after a failed connect, until the next one is tried
  std::string set_up;       // SQL for every new session
};

class Connection {
 public:
  explicit Connection(SessionOptions options) : options_(std::move(options)) {}

  /// Opens the session if there is none; true when a new one was made.
  Result<bool> open();
  bool is_open() const { return session_ != nullptr; }
  void close() { session_.reset(); }

  Result<Rows> run(const char* sql, const Params& params = {});
  /// Several statements without parameters, split by semicolons.
  Status run_script(const std::string& sql);

 private:
  using Clock = std::chrono::steady_clock;

  Status connect();
  Status connect_to(const Parameters& server, Clock::time_point deadline);
  /// Waits until the socket can be read (or written); kTimeout at the deadline.
  Status wait(bool write, Clock::time_point deadline);
  Result<Rows> finish(Clock::time_point deadline);
  std::unexpected<Error> broken(Code code, std::string_view what);
  std::unexpected<Error> refused(const PGresult* result);

  SessionOptions options_;
  std::unique_ptr<PGconn, decltype(&PQfinish)> session_{nullptr, &PQfinish};
  Clock::time_point not_before_{};
  Error last_error_{Code::kUnavailable, "PostgreSQL was not reached yet"};
};

}  // namespace penstock::postgres
