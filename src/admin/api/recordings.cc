// Session recordings: the list, one session's summary, and its events.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "admin/api/person_query.h"
#include "admin/api/service.h"
#include "admin/api/sql.h"
#include "event/timestamp.h"

namespace penstock::admin {
namespace {

constexpr size_t kListMax = 1000;
constexpr uint64_t kDurationMsMax = 365ULL * 86'400'000;
constexpr size_t kSessionIdBytesMax = 200;
constexpr int64_t kDayMs = 86'400'000, kListDays = 30;  // listed when no `from` is given

/// A column of the answer and the SQL it comes from. The engine quotes 64-bit numbers; we do not.
struct Column {
  std::string_view name, sql;
  bool number = false;
};
constexpr Column kColumns[] = {
    {"session_id", "session_id"},
    {"distinct_id", "argMin(b.distinct_id, b.first_timestamp)"},
    {"start_time",
     "concat(replaceOne(toString(toDateTime64(min(b.first_timestamp), 3, 'UTC')), "
     "' ', 'T'), 'Z')"},
    {"end_time",
     "concat(replaceOne(toString(toDateTime64(max(b.last_timestamp), 3, 'UTC')), "
     "' ', 'T'), 'Z')"},
    {"duration_ms",
     "toUnixTimestamp64Milli(max(b.last_timestamp)) - "
     "toUnixTimestamp64Milli(min(b.first_timestamp))",
     true},
    {"active_ms", "sum(b.active_milliseconds)", true},
    {"first_url", "argMinIf(b.first_url, b.first_timestamp, b.first_url != '')"},
    {"urls", "groupUniqArrayArray(25)(b.urls)"},
    {"click_count", "sum(b.click_count)", true},
    {"keypress_count", "sum(b.keypress_count)", true},
    {"mouse_activity_count", "sum(b.mouse_activity_count)", true},
    {"console_log_count", "sum(b.console_log_count)", true},
    {"console_warn_count", "sum(b.console_warn_count)", true},
    {"console_error_count", "sum(b.console_error_count)", true},
    {"event_count", "sum(b.event_count)", true},
    {"message_count", "sum(b.message_count)", true},
    {"block_count", "count()", true},
    {"size_bytes", "sum(b.size)", true},
    {"snapshot_source", "any(b.snapshot_source)"},
    {"snapshot_library", "any(b.snapshot_library)"},
};

std::string summaries(std::string_view where, std::string_view rest) {
  std::string sql = "SELECT ";
  for (const Column& c : kColumns) {
    if (&c != kColumns) sql += ", ";
    sql += fmt::format("{} AS r_{}", c.sql, c.name);
  }
  return sql + fmt::format(" FROM session_replay_blocks AS b WHERE {} GROUP BY session_id {}",
                           where, rest);
}

void write_summary(JsonWriter& w, const std::vector<std::string_view>& cells) {
  w.begin_object();
  for (size_t i = 0; i < std::min(std::size(kColumns), cells.size()); i++) {
    w.key(kColumns[i].name).raw(kColumns[i].number ? unquoted(cells[i]) : cells[i]);
  }
  w.end_object();
}

/// A condition on the session's start for `from` or `to`.
Status add_bound(std::string_view query, std::string_view name, std::string_view sign,
                 std::string& having, std::optional<int64_t>& ms) {
  std::string text;
  if (!wire::query_param(query, name, text) || text.empty()) return {};
  ms = event::parse_timestamp_ms(text);
  if (!ms) return fail(Code::kInvalid, fmt::format("'{}' is not a time", name));
  having += fmt::format(" AND min(b.first_timestamp) {} fromUnixTimestamp64Milli({})", sign, *ms);
  return {};
}

/// `who` is a condition on whose the blocks are; empty: anybody's.
Result<std::string> list_sql(std::string_view query, int64_t now_ms, std::string_view who) {
  std::string text, having = "1";
  if (!who.empty()) having += fmt::format(" AND countIf({}) > 0", who);
  PENSTOCK_TRY(const uint64_t limit, query_number(query, "limit", 1, kListMax, 100));
  PENSTOCK_TRY(const uint64_t shortest,
               query_number(query, "min_duration_ms", 0, kDurationMsMax, 0));
  if (shortest > 0) {
    having += fmt::format(
        " AND toUnixTimestamp64Milli(max(b.last_timestamp)) - "
        "toUnixTimestamp64Milli(min(b.first_timestamp)) >= {}",
        shortest);
  }
  if (wire::query_param(query, "url", text) && !text.empty()) {
    having += fmt::format(
        " AND countIf(arrayExists(u -> position(u, {0}) > 0, b.urls) OR "
        "position(b.first_url, {0}) > 0) > 0",
        sql_text(text));
  }
  std::optional<int64_t> from, to;
  PENSTOCK_CHECK(add_bound(query, "from", ">=", having, from));
  PENSTOCK_CHECK(add_bound(query, "to", "<", having, to));
  if (wire::query_param(query, "distinct_id", text) && !text.empty()) {
    having += fmt::format(" AND countIf(b.distinct_id = {}) > 0", sql_text(text));
  }
  if (wire::query_param(query, "console_errors", text) && !text.empty()) {
    if (text != "1") return fail(Code::kInvalid, "'console_errors' is 1 or absent");
    having += " AND sum(b.console_error_count) > 0";
  }
  // A session that began just before must not seem to begin with its first block after: a day more
  // is read than was asked.
  std::string where = fmt::format("b.first_timestamp >= fromUnixTimestamp64Milli({})",
                                  from.value_or(now_ms - kListDays * kDayMs) - kDayMs);
  if (wire::query_param(query, "session_id", text) && !text.empty()) {
    where += fmt::format(" AND b.session_id = {}", sql_text(text));
  }
  return summaries(where, fmt::format("HAVING {} ORDER BY min(b.first_timestamp) DESC, session_id "
                                      "LIMIT {}",
                                      having, limit));
}

Result<std::vector<RecordedBlock>> blocks_of(const store::QueryResult& result, size_t blocks_max) {
  PENSTOCK_TRY(const auto rows, rows_of(result));
  if (rows.empty()) return fail(Code::kNotFound, "there is no recording of this session");
  if (rows.size() > blocks_max) {
    return fail(Code::kExhausted, "this recording has more blocks than one answer may read");
  }
  std::vector<RecordedBlock> out;
  for (const auto& cells : rows) {
    const std::string_view number = cells.size() == 2 ? unquoted(cells[0]) : "";
    RecordedBlock block;
    const auto [end, error] =
        std::from_chars(number.data(), number.data() + number.size(), block.first_timestamp_ms);
    if (error != std::errc()) return fail(Code::kBug, "the block query has two columns");
    block.url = event::decode_string(cells[1]);
    out.push_back(std::move(block));
  }
  return out;
}

}  // namespace

bool Service::recordings(Call& call, wire::Responder& r) {
  if (call.path.size() == 4) {
    return list_recordings(call.project, call.request.query, r, {}), true;
  }
  if (call.path[4].size() > kSessionIdBytesMax) return false;
  const std::string session = wire::url_decode(call.path[4], false);
  if (call.path.size() == 5) return recording(call, r, session), true;
  if (call.path.size() == 6 && call.path[5] == "snapshots")
    return snapshots(call, r, session), true;
  return false;
}

void Service::list_recordings(ProjectId project, std::string_view query, wire::Responder& r,
                              std::string_view who) {
  auto sql = list_sql(query, parts_.runtime.clock().wall_ms(), who);
  if (!sql) return reply_error(r, sql.error());
  ask(project, std::move(*sql), std::move(r),
      [](wire::Responder& to, const store::QueryResult& result) {
        const auto rows = rows_of(result);
        if (!rows) return reply_error(to, rows.error());
        JsonWriter w;
        w.begin_object().key("results").begin_array();
        for (const auto& cells : *rows) write_summary(w, cells);
        reply_json(to, w.end_array().end_object().take());
      });
}

void Service::recording(Call& call, wire::Responder& r, const std::string& session) {
  ask(call.project, summaries("session_id = " + sql_text(session), ""), std::move(r),
      [](wire::Responder& to, const store::QueryResult& result) {
        const auto rows = rows_of(result);
        if (!rows) return reply_error(to, rows.error());
        if (rows->empty()) {
          return reply_error(to, {Code::kNotFound, "there is no recording of this session"});
        }
        JsonWriter w;
        write_summary(w, rows->front());
        reply_json(to, w.take());
      });
}

void Service::snapshots(Call& call, wire::Responder& r, const std::string& session) {
  std::erase_if(recordings_, [](const auto& s) { return s->finished(); });
  if (stopping_ || recordings_.size() >= options_.recordings_max) {
    return reply_error(r, {Code::kBusy, "too many recordings are being read; try again soon"});
  }
  ask(call.project,
      fmt::format("SELECT toUnixTimestamp64Milli(first_timestamp), block_url "
                  "FROM session_replay_blocks WHERE session_id = {} "
                  "ORDER BY first_timestamp, block_url LIMIT {}",
                  sql_text(session), options_.recording_blocks_max + 1),
      std::move(r), [this](wire::Responder& to, const store::QueryResult& result) {
        auto blocks = blocks_of(result, options_.recording_blocks_max);
        if (!blocks) return reply_error(to, blocks.error());
        if (stopping_) return reply_error(to, {Code::kUnavailable, "stopping"});
        wire::Response head;
        head.content_type = "application/jsonl";
        head.headers.emplace_back("Cache-Control", "no-store");
        recordings_.push_back(std::make_shared<RecordingStream>(
            parts_, options_, std::move(*blocks), to.stream(std::move(head))));
        recordings_.back()->start();
      });
}

}  // namespace penstock::admin
