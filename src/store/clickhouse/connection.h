// Connection: Penstock's requests to one server of several, and which of them is asked.
//
// Puts together what a request over ClickHouse's HTTP interface needs, and says what its answer
// means. Which server is asked stays the same until `go_on`. Home loop only.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "store/clickhouse/answers.h"
#include "store/clickhouse/ddl_sql.h"
#include "store/clickhouse/http_client.h"
#include "store/clickhouse_store.h"
#include "store/dialect/statement.h"

namespace penstock::store::clickhouse {

/// An INSERT's rows as they travel.
struct Packed {
  std::string sql;
  std::shared_ptr<const std::string> rows{};  // null: the statement is all
  std::string encoding{};                     // of the rows: "", "lz4", "zstd"
};
/// "lz4", "zstd" or "none".
std::string compression_of(const ClickHouseOptions& options);
/// Compresses rows where that is asked for; tens of milliseconds for a large batch.
std::vector<Packed> packed(std::vector<Statement> statements, const ClickHouseOptions& options);

inline Layout layout_of(const ClickHouseOptions& o) {
  return {o.database, o.cluster, o.keeper_path};
}

/// "http://a:8123, http://b:8123/" → without blanks and slashes at the end.
std::vector<std::string> split_urls(std::string_view urls);

class Connection {
 public:
  Connection(runtime::Loop& home, const ClickHouseOptions& options);

  /// One of Penstock's own statements; its answer tab separated.
  void run(std::string sql, bool in_database, int64_t within_ms, TextDone done,
           size_t answer_max = 1U << 20);
  /// One statement of a batch, or of upkeep among the inserts. Answers the request's id.
  uint64_t insert(const Packed& statement, int64_t within_ms,
                  std::move_only_function<void(Status)> done);
  using QueryAnswer = std::move_only_function<void(Result<QueryResult>)>;
  /// `id`: the server's name of it, for `kill`.
  uint64_t query(const Query& query, const std::string& id, int version, QueryAnswer done);
  /// Asks the server that was asked to stop it; nobody waits for the answer.
  void kill(const std::string& id);
  void cancel(uint64_t request) { http_.cancel(request); }

  const std::string& url() const { return urls_[at_]; }
  bool has_others() const { return urls_.size() > 1; }
  void go_on() { at_ = (at_ + 1) % urls_.size(); }

 private:
  HttpAsk base(bool in_database) const;

  const ClickHouseOptions& options_;
  std::vector<std::string> urls_;
  size_t at_ = 0;
  HttpClient http_;
};

}  // namespace penstock::store::clickhouse
