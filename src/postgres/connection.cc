#include "postgres/connection.h"

#include <poll.h>

#include <algorithm>
#include <cerrno>

#include "base/metrics.h"
#include "postgres/servers.h"

namespace penstock::postgres {
namespace {

Counter connects_metric{"penstock_postgres_connects_total", "Sessions opened with PostgreSQL."};
Counter failures_metric{"penstock_postgres_failures_total",
                        "Statements and connects of PostgreSQL that failed."};

/// libpq's messages have several lines and end with one break.
std::string one_line(std::string_view text) {
  std::string out(text.substr(0, text.find_last_not_of(" \n") + 1));
  std::ranges::replace(out, '\n', ' ');
  return out;
}

Code code_of(std::string_view state) {
  if (state == "57014") return Code::kTimeout;
  if (state == "40001" || state == "40P01" || state == "55P03") return Code::kBusy;
  if (state == "53100" || state == "53200") return Code::kExhausted;
  if (state == "23505") return Code::kConflict;
  if (state == "42501" || state.starts_with("28")) return Code::kDenied;
  for (const std::string_view data : {"21", "22", "23", "54"}) {
    if (state.starts_with(data)) return Code::kInvalid;
  }
  return Code::kUnavailable;
}

/// States in which the session is of no use any more. 25006: who led before and is a standby now.
bool ends_session(std::string_view state) {
  return state.empty() || state == "25006" || state.starts_with("08") || state.starts_with("57P") ||
         state.starts_with("28") || state.starts_with("3D");
}

}  // namespace

std::unexpected<Error> Connection::broken(Code code, std::string_view what) {
  failures_metric.add();
  std::string message = "PostgreSQL: " + std::string(what);
  if (session_ != nullptr && PQerrorMessage(session_.get())[0] != '\0') {
    message += ": " + one_line(PQerrorMessage(session_.get()));
  }
  close();
  last_error_ = {code, message};
  return std::unexpected(last_error_);
}

std::unexpected<Error> Connection::refused(const PGresult* result) {
  failures_metric.add();
  const char* field = PQresultErrorField(result, PG_DIAG_SQLSTATE);
  const std::string_view state = field == nullptr ? "" : field;
  // The first line alone: details repeat values, which are nobody's business in a log.
  const char* primary = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
  const std::string_view message = primary == nullptr ? PQresultErrorMessage(result) : primary;
  const Error error{code_of(state), "PostgreSQL: " + one_line(message)};
  if (ends_session(state)) {
    last_error_ = error;
    close();
  }
  return std::unexpected(error);
}

Status Connection::wait(bool write, Clock::time_point deadline) {
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (left <= 0) return broken(Code::kTimeout, "no answer within the deadline");
    pollfd fd{PQsocket(session_.get()), static_cast<short>(write ? POLLIN | POLLOUT : POLLIN), 0};
    const int n = ::poll(&fd, 1, static_cast<int>(std::min<int64_t>(left, 60'000)));
    if (n > 0) return {};
    if (n < 0 && errno != EINTR) return broken(Code::kUnavailable, "cannot wait for the server");
  }
}

Status Connection::connect() {
  const auto deadline = Clock::now() + std::chrono::milliseconds(options_.connect_ms);
  const auto servers = servers_of(options_.url);
  if (!servers) return broken(Code::kUnavailable, "cannot connect: " + servers.error().message);
  std::string said;
  for (size_t i = 0; i < servers->size(); i++) {
    const auto share = (deadline - Clock::now()) / static_cast<int64_t>(servers->size() - i);
    const Status connected = connect_to((*servers)[i], Clock::now() + share);
    if (connected) return {};
    said += (said.empty() ? "" : "; ") + connected.error().message;
    last_error_ = {connected.error().code, said};
  }
  return std::unexpected(last_error_);
}

Status Connection::connect_to(const Parameters& server, Clock::time_point deadline) {
  std::vector<const char*> names, values;
  for (const auto& [name, value] : server) {
    names.push_back(name.c_str());
    values.push_back(value.c_str());
  }
  names.push_back(nullptr);
  values.push_back(nullptr);
  session_.reset(PQconnectStartParams(names.data(), values.data(), 0));
  if (session_ == nullptr) return broken(Code::kExhausted, "out of memory");
  if (PQstatus(session_.get()) == CONNECTION_BAD)
    return broken(Code::kUnavailable, "cannot connect");
  PostgresPollingStatusType next = PGRES_POLLING_WRITING;
  while (next != PGRES_POLLING_OK) {
    if (next == PGRES_POLLING_FAILED) return broken(Code::kUnavailable, "cannot connect");
    // When connecting, readiness to write is what is waited for, not both.
    const bool write = next == PGRES_POLLING_WRITING;
    pollfd fd{PQsocket(session_.get()), static_cast<short>(write ? POLLOUT : POLLIN), 0};
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (left <= 0) return broken(Code::kTimeout, "cannot connect within the deadline");
    if (::poll(&fd, 1, static_cast<int>(left)) <= 0) continue;
    next = PQconnectPoll(session_.get());
  }
  PQsetnonblocking(session_.get(), 1);
  // libpq would write them to the terminal.
  PQsetNoticeProcessor(session_.get(), [](void*, const char*) {}, nullptr);
  return run_script("SET client_min_messages = warning; SET jit = off; SET statement_timeout = " +
                    std::to_string(options_.statement_ms) + "; " + options_.set_up);
}

Result<bool> Connection::open() {
  if (session_ != nullptr) return false;
  if (Clock::now() < not_before_) return std::unexpected(last_error_);
  if (Status s = connect(); !s) {
    close();
    not_before_ = Clock::now() + std::chrono::milliseconds(options_.retry_ms);
    return std::unexpected(std::move(s).error());
  }
  connects_metric.add();
  return true;
}

Result<Rows> Connection::finish(Clock::time_point deadline) {
  while (true) {
    const int flushed = PQflush(session_.get());
    if (flushed == 0) break;
    if (flushed < 0) return broken(Code::kUnavailable, "the session broke while sending");
    PENSTOCK_CHECK(wait(true, deadline));
    if (PQconsumeInput(session_.get()) == 0) return broken(Code::kUnavailable, "the session broke");
  }
  std::unique_ptr<PGresult, decltype(&PQclear)> last(nullptr, &PQclear);
  while (true) {
    while (PQisBusy(session_.get()) != 0) {
      PENSTOCK_CHECK(wait(false, deadline));
      if (PQconsumeInput(session_.get()) == 0) {
        return broken(Code::kUnavailable, "the session broke");
      }
    }
    PGresult* result = PQgetResult(session_.get());
    if (result == nullptr) break;
    const ExecStatusType status = PQresultStatus(last.get());
    // The first failure of a script is what counts.
    if (last == nullptr || status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK) {
      last.reset(result);
    } else {
      PQclear(result);
    }
  }
  if (last == nullptr) return broken(Code::kUnavailable, "the server gave no answer");
  const ExecStatusType status = PQresultStatus(last.get());
  if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) return refused(last.get());
  return Rows(last.release());
}

Result<Rows> Connection::run(const char* sql, const Params& params) {
  if (session_ == nullptr) return std::unexpected(last_error_);
  // A little more than the server's own limit, so that its answer wins where there is one.
  const auto deadline = Clock::now() + std::chrono::milliseconds(options_.statement_ms + 500);
  std::vector<const char*> values;
  std::vector<int> lengths;
  for (const std::string& v : params.values()) {
    values.push_back(v.data());
    lengths.push_back(static_cast<int>(v.size()));
  }
  const std::vector<int> formats(values.size(), 1);
  if (PQsendQueryParams(session_.get(), sql, static_cast<int>(values.size()), params.types().data(),
                        values.data(), lengths.data(), formats.data(), 1) == 0) {
    return broken(Code::kUnavailable, "cannot send a statement");
  }
  return finish(deadline);
}

Status Connection::run_script(const std::string& sql) {
  if (session_ == nullptr) return std::unexpected(last_error_);
  const auto deadline = Clock::now() + std::chrono::milliseconds(options_.statement_ms + 500);
  if (PQsendQuery(session_.get(), sql.c_str()) == 0) {
    return broken(Code::kUnavailable, "cannot send a statement");
  }
  auto rows = finish(deadline);
  if (!rows) return std::unexpected(std::move(rows).error());
  return {};
}

}  // namespace penstock::postgres
