// Connection: one session with PostgreSQL, with a deadline on everything.
//
// The deadlines are kept on this side, with a socket that never blocks: a server that was stopped
// or is cut off does not answer its own statement_timeout. Whatever breaks the session closes it,
// and the next call opens a new one; after a failed attempt the following ones answer at once for
// `retry_ms`. Not thread safe. Failure: see persons/postgres_store.h; kInvalid is a value that the
// server refuses.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "base/result.h"
#include "persons/postgres/wire_format.h"
#include "persons/postgres_store.h"

namespace penstock::persons {

class Connection {
 public:
  explicit Connection(const PostgresOptions& options) : options_(options) {}

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
  /// Waits until the socket can be read (or written); kTimeout at the deadline.
  Status wait(bool write, Clock::time_point deadline);
  Result<Rows> finish(Clock::time_point deadline);
  std::unexpected<Error> broken(Code code, std::string_view what);
  std::unexpected<Error> refused(const PGresult* result);

  PostgresOptions options_;
  std::unique_ptr<PGconn, decltype(&PQfinish)> session_{nullptr, &PQfinish};
  Clock::time_point not_before_{};
  Error last_error_{Code::kUnavailable, "PostgreSQL was not reached yet"};
};

}  // namespace penstock::persons
