// SQL over HTTP: one read-only statement, limited in time, memory and size, cancellable.
#include <fmt/format.h>

#include <algorithm>

#include "admin/api/service.h"

namespace penstock::admin {
namespace {

struct Asked {
  std::string sql, id, format = "json";
  int64_t timeout_ms = 0;
};

Result<Asked> read_query(const event::JsonFields& body, int64_t timeout_ms_max) {
  Asked asked;
  const auto raw = body.find("query");
  if (raw && event::json_type(*raw) == event::JsonType::kObject) {
    PENSTOCK_TRY(const auto inner, event::JsonFields::parse(*raw));
    PENSTOCK_TRY(const auto sql, body_string(inner, "query"));
    asked.sql = sql.value_or("");
  } else {
    PENSTOCK_TRY(const auto sql, body_string(body, "query"));
    asked.sql = sql.value_or("");
  }
  if (asked.sql.empty()) return fail(Code::kInvalid, "send {\"query\": \"SELECT …\"}");
  PENSTOCK_TRY(const auto id, body_string(body, "query_id"));
  asked.id = id.value_or("");
  if (asked.id.size() > 100) return fail(Code::kInvalid, "query_id has at most 100 characters");
  PENSTOCK_TRY(const auto timeout, body_integer(body, "timeout_ms"));
  asked.timeout_ms = std::clamp<int64_t>(timeout.value_or(timeout_ms_max), 1, timeout_ms_max);
  PENSTOCK_TRY(const auto format, body_string(body, "format"));
  asked.format = format.value_or("json");
  if (asked.format != "json" && asked.format != "csv") {
    return fail(Code::kInvalid, "format is json or csv");
  }
  return asked;
}

/// The engine's {"meta":[{name,type}…],"data":[[…]],"rows":n,…} as the API's answer.
Result<std::string> api_answer(const std::string& id, const store::QueryResult& result) {
  PENSTOCK_TRY(const auto fields, event::JsonFields::parse(result.body));
  JsonWriter w;
  w.begin_object().field("query_id", id);
  std::string names = "[", types = "[";
  const std::string_view meta = fields.find("meta").value_or("[]");
  PENSTOCK_TRY(const auto columns, event::split_array(meta));
  for (const std::string_view column : columns) {
    PENSTOCK_TRY(const auto c, event::JsonFields::parse(column));
    if (names.size() > 1) {
      names += ',';
      types += ',';
    }
    names += c.find("name").value_or("\"\"");
    types += c.find("type").value_or("\"\"");
  }
  w.key("columns").raw(names + "]").key("types").raw(types + "]");
  w.key("results").raw(fields.find("data").value_or("[]"));
  w.key("rows").raw(fields.find("rows").value_or("0"));
  w.field("rows_read", result.rows_read).field("bytes_read", result.bytes_read);
  w.key("elapsed_ms").real(static_cast<double>(result.elapsed_us) / 1000.0);
  w.field("truncated", false).end_object();
  return w.take();
}

Result<std::string> schema_answer(const store::QueryResult& result) {
  PENSTOCK_TRY(const auto fields, event::JsonFields::parse(result.body));
  PENSTOCK_TRY(const auto rows, event::split_array(fields.find("data").value_or("[]")));
  JsonWriter w;
  w.begin_object().key("tables").begin_array();
  std::string_view table;
  for (const std::string_view row : rows) {
    PENSTOCK_TRY(const auto cells, event::split_array(row));
    if (cells.size() != 3) return fail(Code::kBug, "the schema query has three columns");
    if (cells[0] != table) {
      if (!table.empty()) w.end_array().end_object();
      table = cells[0];
      w.begin_object().key("name").raw(table).key("columns").begin_array();
    }
    w.begin_object().key("name").raw(cells[1]).key("type").raw(cells[2]).end_object();
  }
  if (!table.empty()) w.end_array().end_object();
  return w.end_array().end_object().take();
}

}  // namespace

void Service::query(Call& call, wire::Responder& r) {
  auto asked = read_query(call.body, options_.query_ms_max);
  if (!asked) return reply_error(r, asked.error());
  if (queries_.size() >= options_.queries_max) {
    return reply_error(r, {Code::kBusy, "too many queries are running; try again soon"});
  }
  if (asked->id.empty()) asked->id = fmt::format("q{:016x}", parts_.runtime.random().next());
  if (queries_.contains(asked->id)) {
    return reply_error(r, {Code::kConflict, "a query with this id is running"});
  }
  store::Query query{
      asked->id,
      std::move(asked->sql),
      call.project,
      asked->format == "csv" ? store::QueryFormat::kCsvWithNames : store::QueryFormat::kJsonCompact,
      {}};
  query.limits.time_ms_max = asked->timeout_ms;
  query.limits.memory_bytes_max = options_.query_memory_bytes_max;
  query.limits.result_rows_max = options_.query_rows_max;
  run_query(std::move(query), std::make_shared<wire::Responder>(std::move(r)), false);
}

void Service::schema(Call& call, wire::Responder& r) {
  // What a project may read; the engine's own tables are not part of it.
  store::Query query{fmt::format("s{:016x}", parts_.runtime.random().next()),
                     "SELECT table, name, type FROM system.columns WHERE database = "
                     "currentDatabase() AND table NOT LIKE 'penstock_%' AND table NOT LIKE '.%' "
                     "ORDER BY table, position",
                     ProjectId{},
                     store::QueryFormat::kJsonCompact,
                     {}};
  (void)call;
  run_query(std::move(query), std::make_shared<wire::Responder>(std::move(r)), true);
}

void Service::run_query(store::Query query, std::shared_ptr<wire::Responder> responder,
                        bool as_schema) {
  const std::string id = query.id;
  const bool csv = query.format == store::QueryFormat::kCsvWithNames;
  queries_[id] = query.project;
  auto answer = [this, alive = alive_, id, csv, as_schema,
                 responder](Result<store::QueryResult> result) {
    if (!*alive) return;
    queries_.erase(id);
    if (!result) return reply_error(*responder, result.error());
    if (csv) {
      wire::Response response;
      response.content_type = "text/csv; charset=utf-8";
      response.body = std::move(result->body);
      return responder->send(std::move(response));
    }
    auto body = as_schema ? schema_answer(*result) : api_answer(id, *result);
    if (!body) return reply_error(*responder, body.error());
    reply_json(*responder, std::move(*body));
  };
  send_query(std::move(query), std::move(answer));
}

void Service::ask(ProjectId project, std::string sql, wire::Responder responder,
                  std::move_only_function<void(R&, const store::QueryResult&)> answer) {
  auto shared = std::make_shared<wire::Responder>(std::move(responder));
  ask_store(project, std::move(sql),
            [shared, answer = std::move(answer)](Result<store::QueryResult> result) mutable {
              if (!result) return reply_error(*shared, result.error());
              answer(*shared, *result);
            });
}

void Service::ask_store(ProjectId project, std::string sql, store::QueryDone done) {
  if (queries_.size() >= options_.queries_max) {
    return done(fail(Code::kBusy, "too many queries are running; try again soon"));
  }
  store::Query query{fmt::format("a{:016x}", parts_.runtime.random().next()),
                     std::move(sql),
                     project,
                     store::QueryFormat::kJsonCompact,
                     {}};
  query.limits.time_ms_max = options_.query_ms_max;
  query.limits.memory_bytes_max = options_.query_memory_bytes_max;
  query.limits.result_rows_max =
      std::max<uint64_t>(options_.query_rows_max, options_.recording_blocks_max + 1);
  queries_[query.id] = project;
  send_query(query, [this, alive = alive_, id = query.id,
                     done = std::move(done)](Result<store::QueryResult> result) mutable {
    if (!*alive) return;
    queries_.erase(id);
    done(std::move(result));
  });
}

/// The store lives on another loop; the answer comes back to this one.
void Service::send_query(store::Query query, store::QueryDone answer) {
  parts_.store_loop.post([this, query = std::move(query), answer = std::move(answer)]() mutable {
    parts_.store.query(std::move(query), [this, answer = std::move(answer)](
                                             Result<store::QueryResult> result) mutable {
      parts_.loop.post([answer = std::move(answer), result = std::move(result)]() mutable {
        answer(std::move(result));
      });
    });
  });
}

void Service::cancel_query(Call& call, wire::Responder& r) {
  const std::string id(call.path[4]);
  const auto it = queries_.find(id);
  // One that has just ended is no mistake of whoever asks: the two cross on the way.
  const bool running = it != queries_.end() && it->second == call.project;
  if (running) parts_.store_loop.post([this, id] { parts_.store.cancel(id); });
  JsonWriter w;
  w.begin_object().field("cancelled", running).end_object();
  reply_json(r, w.take());
}

}  // namespace penstock::admin
