#include "store/engine/query_guard.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <vector>

#include "store/engine/schema.h"

namespace penstock::store {
namespace {

struct Token {
  std::string text;    // lower case
  bool quoted = false;
};

bool is_word(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '$';
}

/// Identifiers and punctuation; string literals and comments left out. False: an open quote.
bool tokens_of(std::string_view sql, std::vector<Token>& out) {
  for (size_t i = 0; i < sql.size();) {
    const char c = sql[i];
    if (sql.substr(i).starts_with("--") || c == '#') {
      i = std::min(sql.find('\n', i), sql.size());
    } else if (sql.substr(i).starts_with("/*")) {
      const size_t end = sql.find("*/", i + 2);
      if (end == std::string_view::npos) return false;
      i = end + 2;
    } else if (c == '\'' || c == '"' || c == '`') {
      std::string text;
      size_t k = i + 1;
      for (; k < sql.size() && sql[k] != c; k++) {
        if (sql[k] == '\\' && k + 1 < sql.size()) k++;
        text += static_cast<char>(std::tolower(static_cast<unsigned char>(sql[k])));
      }
      if (k >= sql.size()) return false;
      if (c != '\'') out.push_back({text, true});
      i = k + 1;
    } else if (is_word(c)) {
      std::string text;
      for (; i < sql.size() && is_word(sql[i]); i++) {
        text += static_cast<char>(std::tolower(static_cast<unsigned char>(sql[i])));
      }
      out.push_back({std::move(text), false});
    } else {
      if (std::isspace(static_cast<unsigned char>(c)) == 0) out.push_back({std::string(1, c), false});
      i++;
    }
  }
  return true;
}

}  // namespace

Status check_query(std::string_view sql, bool operator_query) {
  std::vector<Token> tokens;
  if (!tokens_of(sql, tokens)) return fail(Code::kInvalid, "a quote or comment is not closed");
  while (!tokens.empty() && tokens.back().text == ";" && !tokens.back().quoted) tokens.pop_back();
  if (tokens.empty()) return fail(Code::kInvalid, "the query is empty");
  constexpr std::array<std::string_view, 8> kReads{"select", "with", "explain", "describe", "desc",
                                                   "exists", "from", "("};
  if (std::find(kReads.begin(), kReads.end(), tokens.front().text) == kReads.end()) {
    return fail(Code::kDenied, "only queries that read are allowed: begin with SELECT or WITH");
  }
  for (const Token& t : tokens) {
    if (t.text == ";" && !t.quoted) return fail(Code::kInvalid, "send one statement at a time");
    if (operator_query) continue;
    if (t.text == "system" || t.text == "information_schema" || t.text.starts_with("penstock_")) {
      return fail(Code::kDenied, fmt::format("'{}' is not part of a project", t.text));
    }
    if (!t.quoted && (t.text == "format" || t.text == "outfile")) {
      if (t.text == "outfile") return fail(Code::kDenied, "INTO OUTFILE is not allowed");
    }
  }
  return {};
}

std::string query_setup(const Query& q) {
  std::string filters;
  if (q.project.value != 0) {
    for (const std::string_view table : project_tables()) {
      filters += fmt::format("{}'{}':'team_id = {}'", filters.empty() ? "" : ",", table,
                             q.project.value);
    }
  }
  return fmt::format(
      "SET max_execution_time={}, timeout_overflow_mode='throw', max_memory_usage={}, "
      "max_result_rows={}, max_result_bytes={}, result_overflow_mode='throw', max_threads=2, "
      "output_format_json_quote_64bit_integers=1, additional_table_filters={{{}}}, readonly=1",
      static_cast<double>(q.limits.time_ms_max) / 1000.0, q.limits.memory_bytes_max,
      q.limits.result_rows_max, q.limits.result_bytes_max, filters);
}

}  // namespace penstock::store
