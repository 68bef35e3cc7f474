#include "store/clickhouse/connection.h"

#include <fmt/format.h>
#include <lz4frame.h>
#include <zstd.h>

#include <algorithm>

#include "store/clickhouse/schema_tables.h"
#include "store/dialect/query_guard.h"

namespace penstock::store::clickhouse {
namespace {

constexpr int kZstdLevel = 1;
constexpr int kConditionCacheSince =
    2503;  // the version that remembers conditions; before: no such setting
constexpr size_t kSlack = 1U << 16;  // of an answer, beside its rows
constexpr int64_t kGraceMs = 2000;   // beyond a query's own limit, until it counts as lost

/// Tables of a cluster that a project may read besides those of one server.
const std::vector<std::string>& cluster_tables() {
  static const std::vector<std::string> all = [] {
    std::vector<std::string> out;
    for (const Table& t : tables()) {
      if (t.shard_by.empty()) continue;
      if (!t.insert_to.empty()) out.emplace_back(t.insert_to);
      if (!t.name.starts_with("sharded_")) out.push_back(fmt::format("sharded_{}", t.name));
    }
    return out;
  }();
  return all;
}

/// Empty: it could not be.
std::string zstd(const std::string& rows) {
  std::string out(ZSTD_compressBound(rows.size()), '\0');
  const size_t n = ZSTD_compress(out.data(), out.size(), rows.data(), rows.size(), kZstdLevel);
  if (ZSTD_isError(n) != 0U) return {};
  out.resize(n);
  out.shrink_to_fit();
  return out;
}

std::string lz4(const std::string& rows) {
  LZ4F_preferences_t how{};
  how.frameInfo.blockSizeID = LZ4F_max256KB;  // what a core's cache holds, on both sides
  how.frameInfo.contentSize = rows.size();
  std::string out(LZ4F_compressFrameBound(rows.size(), &how), '\0');
  const size_t n = LZ4F_compressFrame(out.data(), out.size(), rows.data(), rows.size(), &how);
  if (LZ4F_isError(n) != 0U) return {};
  out.resize(n);
  out.shrink_to_fit();
  return out;
}

/// All of them: with replicas elsewhere the next batch may go there.
bool on_this_machine(const ClickHouseOptions& options) {
  return std::ranges::all_of(split_urls(options.urls), [](const std::string& url) {
    const size_t at = url.find("://");
    const std::string host = at == std::string::npos ? url : url.substr(at + 3);
    return host.starts_with("127.") || host.starts_with("[::1]") || host == "localhost" ||
           host.starts_with("localhost:");
  });
}

}  // namespace

std::string compression_of(const ClickHouseOptions& options) {
  if (options.compression != "auto") return options.compression;
  return on_this_machine(options) ? "none" : "lz4";
}

std::vector<Packed> packed(std::vector<Statement> statements, const ClickHouseOptions& options) {
  std::vector<Packed> out;
  const std::string compression = compression_of(options);
  for (Statement& s : statements) {
    if (s.rows.empty()) {
      out.push_back({std::move(s.sql), nullptr, {}});
      continue;
    }
    std::string small;
    if (compression == "lz4") small = lz4(s.rows);
    if (compression == "zstd") small = zstd(s.rows);
    const bool is_small = !small.empty();
    if (is_small) s.rows = std::move(small);
    out.push_back({std::move(s.sql), std::make_shared<const std::string>(std::move(s.rows)),
                   is_small ? compression : ""});
  }
  return out;
}

std::vector<std::string> split_urls(std::string_view urls) {
  std::vector<std::string> out;
  while (!urls.empty()) {
    const size_t comma = std::min(urls.find(','), urls.size());
    std::string_view one = urls.substr(0, comma);
    urls.remove_prefix(std::min(urls.size(), comma + 1));
    while (!one.empty() && one.front() == ' ') one.remove_prefix(1);
    while (!one.empty() && (one.back() == ' ' || one.back() == '/')) one.remove_suffix(1);
    if (!one.empty()) out.emplace_back(one);
  }
  return out;
}

Connection::Connection(runtime::Loop& home, const ClickHouseOptions& options)
    : options_(options),
      urls_(split_urls(options.urls)),
      http_(home, {options.user, options.password, options.ca_file, options.connect_ms}) {}

HttpAsk Connection::base(bool in_database) const {
  HttpAsk ask{.url = url()};
  if (in_database) ask.params.emplace_back("database", options_.database);
  // Then an error is the answer's status and not a line somewhere behind its rows.
  ask.params.emplace_back("wait_end_of_query", "1");
  return ask;
}

void Connection::run(std::string sql, bool in_database, int64_t within_ms, TextDone done,
                     size_t answer_max) {
  HttpAsk ask = base(in_database);
  ask.answer_max = answer_max;
  ask.params.emplace_back("default_format", "TabSeparated");
  ask.body = std::make_shared<const std::string>(std::move(sql));
  ask.within_ms = within_ms;
  http_.ask(std::move(ask), [done = std::move(done)](Result<HttpAnswer> answer) mutable {
    if (!answer) return done(std::unexpected(std::move(answer).error()));
    if (Status good = status_of(*answer, Purpose::kOwn); !good) {
      return done(std::unexpected(std::move(good).error()));
    }
    done(std::move(answer->body));
  });
}

uint64_t Connection::insert(const Packed& statement, int64_t within_ms,
                            std::move_only_function<void(Status)> done) {
  HttpAsk ask = base(true);
  ask.within_ms = within_ms;
  ask.changes = true;
  if (!options_.cluster.empty()) {
    // An answer means that every shard has its rows, not that they are on their way.
    ask.params.emplace_back("insert_distributed_sync", "1");
  }
  if (statement.rows) {
    std::string sql = statement.sql;
    constexpr std::string_view kLocal = "INSERT INTO sharded_events ";
    if (!options_.cluster.empty() && sql.starts_with(kLocal)) {
      sql.replace(0, kLocal.size(), "INSERT INTO writable_events ");
    }
    ask.params.emplace_back("query", sql + " FORMAT RowBinary");
    ask.body = statement.rows;
    ask.encoding = statement.encoding;
  } else {
    ask.body = std::make_shared<const std::string>(statement.sql);
  }
  return http_.ask(std::move(ask), [done = std::move(done)](Result<HttpAnswer> answer) mutable {
    done(answer ? status_of(*answer, Purpose::kInsert)
                : Status(std::unexpected(std::move(answer).error())));
  });
}

uint64_t Connection::query(const Query& query, const std::string& id, int version,
                           QueryAnswer done) {
  HttpAsk ask = base(true);
  ask.params.emplace_back("query_id", id);
  ask.params.emplace_back("default_format", format_name(query.format));
  for (QuerySetting& s : query_settings(
           query, options_.cluster.empty() ? std::vector<std::string>{} : cluster_tables())) {
    if (s.name == "use_query_condition_cache" && version < kConditionCacheSince) continue;
    ask.params.emplace_back(std::move(s.name), std::move(s.value));
  }
  ask.body = std::make_shared<const std::string>(query.sql);
  ask.within_ms = query.limits.time_ms_max + kGraceMs;
  ask.answer_max = query.limits.result_bytes_max + kSlack;
  return http_.ask(std::move(ask), [done = std::move(done)](Result<HttpAnswer> answer) mutable {
    if (!answer) return done(std::unexpected(std::move(answer).error()));
    if (Status good = status_of(*answer, Purpose::kQuery); !good) {
      return done(std::unexpected(std::move(good).error()));
    }
    const Summary s = summary_of(*answer);
    done(QueryResult{std::move(answer->body), s.rows_read, s.bytes_read, s.elapsed_us});
  });
}

void Connection::kill(const std::string& id) {
  HttpAsk ask = base(true);
  ask.within_ms = options_.statement_ms;
  ask.body = std::make_shared<const std::string>(
      fmt::format("KILL QUERY WHERE query_id = '{}' ASYNC", id));
  http_.ask(std::move(ask), [](const Result<HttpAnswer>&) {});
}

}  // namespace penstock::store::clickhouse
