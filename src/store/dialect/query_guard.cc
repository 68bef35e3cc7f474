#include "store/dialect/query_guard.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "store/dialect/sql_scan.h"
#include "store/engine/schema.h"

namespace penstock::store {
namespace {

bool among(const auto& list, std::string_view text) {
  return std::find(list.begin(), list.end(), text) != list.end();
}

constexpr std::array<std::string_view, 8> kReads{"select", "with",   "explain", "describe",
                                                 "desc",   "exists", "from",    "("};

// Refused wherever they stand, because a function can be called by its bare name too
// (`* APPLY(file)`, `arrayMap(file, …)`): they read files, reach out, or name other sessions.
constexpr std::array<std::string_view, 24> kDeniedNames{"file",
                                                        "outfile",
                                                        "catboostevaluate",
                                                        "aigenerate",
                                                        "aiclassify",
                                                        "aiextract",
                                                        "aiembed",
                                                        "aitranslate",
                                                        "evalmlmethod",
                                                        "getserversetting",
                                                        "getmacro",
                                                        "showcertificate",
                                                        "addresstoline",
                                                        "addresstosymbol",
                                                        "addresstolinewithinlines",
                                                        "getclienthttpheader",
                                                        "filesystemavailable",
                                                        "filesystemcapacity",
                                                        "filesystemunreserved",
                                                        "zookeepersessionuptime",
                                                        "serveruuid",
                                                        "logtrace",
                                                        "generateserialid",
                                                        "tcpport"};

// Functions that look into a table by its name in a text, past the row filters.
constexpr std::array<std::string_view, 4> kDeniedPrefixes{"joinget", "dictget", "dicthas",
                                                          "dictisin"};

bool names(const std::vector<SqlToken>& tokens, std::string_view name) {
  return std::ranges::any_of(tokens, [&](const SqlToken& t) { return t.word && t.text == name; });
}

/// `SAMPLE 0.1`: a clause, not a name.
bool is_sample(const std::vector<SqlToken>& tokens, size_t i) {
  return tokens[i].text == "sample" && !tokens[i].quoted && i + 1 < tokens.size() &&
         tokens[i + 1].text.front() >= '0' && tokens[i + 1].text.front() <= '9';
}

/// `t` is the database in `database.table`.
bool names_database(const std::vector<SqlToken>& tokens, size_t i) {
  return i + 1 < tokens.size() && !tokens[i + 1].word && tokens[i + 1].text == ".";
}

bool is_call(const std::vector<SqlToken>& tokens, size_t i) {
  return i + 1 < tokens.size() && !tokens[i + 1].word && tokens[i + 1].text == "(";
}

Status check_shape(std::vector<SqlToken>& tokens, bool operator_query) {
  while (!tokens.empty() && !tokens.back().word && tokens.back().text == ";") tokens.pop_back();
  if (tokens.empty()) return fail(Code::kInvalid, "the query is empty");
  const SqlToken& first = tokens.front();
  const bool operator_only = first.text == "show" || first.text == "explain";
  if (first.quoted || !(among(kReads, first.text) || (operator_query && operator_only)) ||
      (operator_only && !operator_query)) {
    return fail(Code::kDenied, "only queries that read are allowed: begin with SELECT or WITH");
  }
  for (const SqlToken& t : tokens) {
    if (!t.word && t.text == ";") return fail(Code::kInvalid, "send one statement at a time");
  }
  const size_t n = tokens.size();
  if (n >= 3 && tokens[n - 2].text == "format" && !tokens[n - 2].quoted && tokens[n - 1].word &&
      tokens[n - 3].text != "as") {
    return fail(Code::kInvalid, "the format is chosen beside the query, not in it");
  }
  return {};
}

/// One that may look past the row filters, or into files and other machines.
bool is_denied_table_function(std::string_view name, const ServerNames& server) {
  return among(denied_table_functions(), name) ||
         (server.table_functions.contains(name) && !among(allowed_table_functions(), name));
}

Status check_names(const std::vector<SqlToken>& tokens, bool operator_query,
                   const ServerNames& server) {
  for (size_t i = 0; i < tokens.size(); i++) {
    const SqlToken& t = tokens[i];
    if (!t.word) continue;
    if (among(kDeniedNames, t.text)) {
      return fail(Code::kDenied, fmt::format("'{}' is not allowed in a query", t.text));
    }
    for (const std::string_view prefix : kDeniedPrefixes) {
      if (!operator_query && t.text.starts_with(prefix)) {
        return fail(Code::kDenied, fmt::format("'{}' is not allowed in a query", t.text));
      }
    }
    if (is_sample(tokens, i) && names(tokens, "events")) {
      return fail(Code::kInvalid,
                  "events cannot be sampled: write FROM sharded_events SAMPLE instead");
    }
    if (is_call(tokens, i) && is_denied_table_function(t.text, server)) {
      return fail(Code::kDenied, fmt::format("the table function '{}' is not allowed", t.text));
    }
    if (operator_query) continue;
    const bool hidden =
        t.text == "system" || t.text == "information_schema" || server.databases.contains(t.text);
    if ((hidden && names_database(tokens, i)) || t.text.starts_with("penstock_")) {
      return fail(Code::kDenied, fmt::format("'{}' is not part of a project", t.text));
    }
  }
  return {};
}

}  // namespace

const std::vector<std::string_view>& allowed_table_functions() {
  // `format` is a plain function too; as a table function the engine refuses it to readers.
  static const std::vector<std::string_view> all{
      "numbers",           "numbers_mt",      "zeros",  "zeros_mt",
      "generateseries",    "generate_series", "primes", "values",
      "sqlstandardvalues", "generaterandom",  "null",   "format"};
  return all;
}

const std::vector<std::string_view>& denied_table_functions() {
  static const std::vector<std::string_view> all{"ytsaurus",
                                                 "hudicluster",
                                                 "deltalakecluster",
                                                 "paimonhdfscluster",
                                                 "paimonazurecluster",
                                                 "paimons3cluster",
                                                 "icebergazurecluster",
                                                 "icebergs3cluster",
                                                 "deltalakeazure",
                                                 "paimonhdfs",
                                                 "paimon",
                                                 "iceberglocal",
                                                 "icebergcluster",
                                                 "iceberglocalcluster",
                                                 "icebergazure",
                                                 "deltalakeazurecluster",
                                                 "icebergs3",
                                                 "iceberg",
                                                 "hdfscluster",
                                                 "paimonlocal",
                                                 "azureblobstoragecluster",
                                                 "iceberghdfscluster",
                                                 "s3cluster",
                                                 "hdfs",
                                                 "oss",
                                                 "gcs",
                                                 "hudi",
                                                 "cosn",
                                                 "s3",
                                                 "azureblobstorage",
                                                 "prometheusqueryrange",
                                                 "prometheusquery",
                                                 "timeseriesselector",
                                                 "timeseriesmetrics",
                                                 "timeseriestags",
                                                 "timeseriessamples",
                                                 "timeseriesdata",
                                                 "mergetreeprojection",
                                                 "paimonazure",
                                                 "loop",
                                                 "postgresql",
                                                 "clusterallreplicas",
                                                 "viewifpermitted",
                                                 "view",
                                                 "jdbc",
                                                 "mergetreetextindex",
                                                 "mergetreeanalyzeindexesuuid",
                                                 "filesystem",
                                                 "mergetreeindex",
                                                 "paimons3",
                                                 "dictionary",
                                                 "fuzzquery",
                                                 "iceberghdfs",
                                                 "merge",
                                                 "url",
                                                 "executable",
                                                 "fuzzjson",
                                                 "deltalakes3",
                                                 "urlcluster",
                                                 "deltalakes3cluster",
                                                 "deltalakelocal",
                                                 "eval",
                                                 "filecluster",
                                                 "file",
                                                 "redis",
                                                 "arrowstream",
                                                 "mergetreeanalyzeindexes",
                                                 "input",
                                                 "mysql",
                                                 "viewexplain",
                                                 "odbc",
                                                 "mongodb",
                                                 "deltalake",
                                                 "sqlite",
                                                 "cluster",
                                                 "paimoncluster",
                                                 "remotesecure",
                                                 "remote",
                                                 "bigquery",
                                                 "mergetreecodecblockcounts",
                                                 "python",
                                                 "timeseriesmetricfamilies"};
  return all;
}

Status check_query(std::string_view sql, bool operator_query, const ServerNames& server) {
  if (sql.size() > kQueryBytesMax) {
    return fail(Code::kInvalid, fmt::format("the query is longer than {} bytes", kQueryBytesMax));
  }
  PENSTOCK_TRY(std::vector<SqlToken> tokens, scan_sql(sql));
  PENSTOCK_CHECK(check_shape(tokens, operator_query));
  return check_names(tokens, operator_query, server);
}

std::vector<QuerySetting> query_settings(const Query& q,
                                         const std::vector<std::string>& also_filtered) {
  std::string filters;
  const auto filter = [&](std::string_view table) {
    filters +=
        fmt::format("{}'{}':'team_id = {}'", filters.empty() ? "" : ",", table, q.project.value);
  };
  if (q.project.value != 0) {
    for (const std::string_view table : project_tables()) filter(table);
    for (const std::string& table : also_filtered) filter(table);
  }
  return {
      {"max_execution_time", fmt::format("{}", static_cast<double>(q.limits.time_ms_max) / 1000.0)},
      {"timeout_overflow_mode", "throw", true},
      {"max_memory_usage", fmt::format("{}", q.limits.memory_bytes_max)},
      {"max_result_rows", fmt::format("{}", q.limits.result_rows_max)},
      {"max_result_bytes", fmt::format("{}", q.limits.result_bytes_max)},
      {"result_overflow_mode", "throw", true},
      {"max_threads", "2"},
      {"output_format_json_quote_64bit_integers", "1"},
      {"allow_introspection_functions", "0"},
      {"use_query_condition_cache", "0"},
      {"http_max_tries", "1"},
      {"http_connection_timeout", "2"},
      {"http_receive_timeout", "5"},
      {"additional_table_filters", "{" + filters + "}"},
      {"readonly", "1"}};
}

std::string_view format_name(QueryFormat format) {
  switch (format) {
    case QueryFormat::kJsonCompact: return "JSONCompact";
    case QueryFormat::kCsvWithNames: return "CSVWithNames";
    case QueryFormat::kPretty: return "PrettyCompact";
  }
  return "JSONCompact";
}

std::string query_setup(const Query& q) {
  std::string out = "SET ";
  for (const QuerySetting& s : query_settings(q)) {
    if (out.size() > 4) out += ", ";
    out += s.name + (s.text ? "='" + s.value + "'" : "=" + s.value);
  }
  return out;
}

}  // namespace penstock::store
