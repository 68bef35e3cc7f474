#include "store/engine_store.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <climits>
#include <filesystem>
#include <map>
#include <mutex>

#include "base/codec.h"
#include "base/diag.h"
#include "base/metrics.h"
#include "store/engine/link.h"
#include "store/engine/query_guard.h"
#include "store/engine/row_binary.h"
#include "store/engine/schema.h"

namespace penstock::store {
namespace {

Counter inserted_rows{"penstock_store_inserted_rows_total", "Event rows the store has acknowledged."};
Counter restarts_total{"penstock_store_engine_restarts_total", "Times the engine was started again."};
LatencyHistogram insert_seconds{"penstock_store_insert_seconds", "One batch into the store."};
LatencyHistogram query_seconds{"penstock_store_query_seconds", "One query."};

constexpr int64_t kStatsMs = 5000;

std::string format_name(QueryFormat format) {
  switch (format) {
    case QueryFormat::kJsonCompact: return "JSONCompact";
    case QueryFormat::kCsvWithNames: return "CSVWithNames";
    case QueryFormat::kPretty: return "PrettyCompact";
  }
  return "JSONCompact";
}

/// The engine's text without its prefixes, version and stack.
std::string clean(std::string message) {
  for (const char* mark : {"DB::Exception: ", "Code: "}) {
    for (size_t at = message.find(mark); at != std::string::npos; at = message.find(mark)) {
      size_t end = at + std::string_view(mark).size();
      if (std::string_view(mark) == "Code: ") {
        end = message.find(". ", at);
        end = end == std::string::npos ? message.size() : end + 2;
      }
      message.erase(at, end - at);
    }
  }
  const size_t version = message.find(" (version ");
  if (version != std::string::npos) message.erase(version);
  return message;
}

class EngineStore : public EventStore {
 public:
  EngineStore(runtime::Runtime& runtime, runtime::Loop& loop, runtime::Poller& poller,
              EngineOptions options)
      : runtime_(runtime), loop_(loop), options_(std::move(options)),
        link_(poller, options_, [this] { died(); }) {}
  ~EngineStore() override { *alive_ = false; }

  Status start() override {
    begin();
    return {};
  }

  void stop() override {
    // Closing the pair would do; killing is as safe for what was acknowledged, and sure.
    stopping_ = true;
    if (loop_.on_this_thread()) return link_.kill();
    loop_.post([this, alive = alive_] {
      if (*alive) link_.kill();
    });
  }

  void insert(std::shared_ptr<const InsertBatch> batch, InsertDone done) override {
    if (!ready_) return done(fail(Code::kUnavailable, detail()));
    std::string operands;
    ByteWriter w(operands);
    const auto tables = encode_inserts(*batch, runtime_.clock().wall_ms());
    if (tables.empty()) return done(Status{});
    w.varint(tables.size());
    for (const TableInsert& t : tables) {
      w.bytes(t.sql);
      w.bytes(t.rows);
    }
    const int64_t begin = runtime_.clock().mono_ns();
    const size_t rows = batch->events.size();
    link_.request(EngineOp::kInsert, operands,
                  [this, begin, rows, done = std::move(done)](Result<EngineReply> reply) mutable {
                    if (!reply) {
                      return done(fail(reply.error().code, clean(reply.error().message)));
                    }
                    insert_seconds.record_us((runtime_.clock().mono_ns() - begin) / 1000);
                    inserted_rows.add(rows);
                    done(Status{});
                  });
  }

  void query(Query query, QueryDone done) override {
    if (const Status allowed = check_query(query.sql, query.project.value == 0); !allowed) {
      return done(std::unexpected(allowed.error()));
    }
    if (!ready_) return done(fail(Code::kUnavailable, detail()));
    const std::string marker = fmt::format("penstock-query-{}", next_marker_++);
    std::string operands;
    ByteWriter w(operands);
    w.bytes(marker);
    w.bytes(query_setup(query));
    w.bytes(query.sql);
    w.bytes(format_name(query.format));
    markers_[query.id] = marker;
    link_.request(EngineOp::kQuery, operands,
                  [this, id = query.id, done = std::move(done)](Result<EngineReply> reply) mutable {
                    markers_.erase(id);
                    if (!reply) {
                      const Code code = reply.error().code == Code::kMaybe ? Code::kUnavailable
                                                                           : reply.error().code;
                      return done(fail(code, clean(reply.error().message)));
                    }
                    query_seconds.record_us(reply->elapsed_us);
                    done(QueryResult{std::move(reply->body), reply->rows, reply->bytes,
                                     reply->elapsed_us});
                  });
  }

  void cancel(const std::string& query_id) override {
    const auto it = markers_.find(query_id);
    if (it == markers_.end()) return;
    std::string operands;
    ByteWriter(operands).bytes(it->second);
    link_.request(EngineOp::kCancel, operands, [](Result<EngineReply> reply) {
      if (!reply) diag::warn("cancel failed", {{"error", reply.error().message}});
    });
  }

  StoreHealth health() const override {
    const std::lock_guard lock(mutex_);
    return health_;
  }

 private:
  std::string detail() const {
    const std::lock_guard lock(mutex_);
    return health_.detail;
  }

  void set_health(bool ready, std::string detail) {
    ready_ = ready;
    const std::lock_guard lock(mutex_);
    health_.ready = ready;
    health_.engine = "clickhouse (embedded)";
    health_.detail = std::move(detail);
  }

  void begin() {
    if (stopping_) return;
    set_health(false, "the engine is starting");
    if (!std::filesystem::exists(options_.library)) {
      set_health(false, "the engine's library is missing (" + options_.library +
                            "): run tools/setup, or set store.library");
      return retry();
    }
    const Status spawned = link_.spawn();
    if (!spawned) {
      set_health(false, spawned.error().message);
      return retry();
    }
    run("CREATE TABLE IF NOT EXISTS penstock_migrations (version Int32, name String, at DateTime "
        "DEFAULT now()) ENGINE = MergeTree ORDER BY version", [this](std::string) {
      run("SELECT max(version) FROM penstock_migrations", [this](std::string answer) {
        migrate(std::atoi(answer.c_str()), 0);
      });
    });
  }

  /// Runs SQL with every right; a failure makes the engine start over after a pause.
  void run(std::string_view sql, std::function<void(std::string)> next) {
    std::string operands;
    ByteWriter w(operands);
    w.bytes(sql);
    w.bytes("TSV");
    link_.request(EngineOp::kRun, operands, [this, next](Result<EngineReply> reply) {
      if (reply) return next(std::move(reply->body));
      if (stopping_ || reply.error().code == Code::kMaybe) return;  // died() sees to it
      diag::error("store set-up failed", {{"error", clean(reply.error().message)}});
      set_health(false, "set-up failed: " + clean(reply.error().message));
      link_.kill();
    });
  }

  void migrate(int done, size_t statement) {
    const Migration* next = nullptr;
    for (const Migration& m : migrations()) {
      if (m.version == done + 1) next = &m;
    }
    if (next == nullptr) return came_up(done);
    if (statement < next->statements.size()) {
      return run(next->statements[statement],
                 [this, done, statement](std::string) { migrate(done, statement + 1); });
    }
    run(fmt::format("INSERT INTO penstock_migrations (version, name) VALUES ({}, '{}')",
                    next->version, next->name),
        [this, done](std::string) { migrate(done + 1, 0); });
  }

  void came_up(int version) {
    const auto known = static_cast<int>(migrations().size());
    if (version > known) {
      set_health(false, fmt::format("the store was made by a newer Penstock (schema {}, this one "
                                    "knows {})", version, known));
      return;
    }
    restart_ms_ = 0;
    set_health(true, "");
    look();
  }

  void look() {
    if (!ready_ || stopping_) return;
    link_.request(EngineOp::kStats, "", [this](Result<EngineReply> reply) {
      if (!reply) return;
      const std::lock_guard lock(mutex_);
      health_.memory_bytes = reply->rows;
      const size_t tab = reply->body.find('\t');
      health_.version = reply->body.substr(0, tab);
      if (tab != std::string::npos) {
        health_.disk_bytes = std::strtoull(reply->body.c_str() + tab + 1, nullptr, 10);
      }
    });
    loop_.after(std::chrono::milliseconds(kStatsMs), [this, alive = alive_] {
      if (*alive) look();
    });
  }

  void died() {
    if (stopping_) return set_health(false, "the engine has stopped");
    diag::warn("engine ended, starting it again", {{"restarts", restarts_ + 1}});
    restarts_total.add();
    {
      const std::lock_guard lock(mutex_);
      health_.restarts = ++restarts_;
    }
    set_health(false, "the engine ended and is starting again");
    retry();
  }

  void retry() {
    restart_ms_ = std::clamp(restart_ms_ * 2, options_.restart_ms_min, options_.restart_ms_max);
    loop_.after(std::chrono::milliseconds(restart_ms_), [this, alive = alive_] {
      if (*alive && !link_.running()) begin();
    });
  }

  runtime::Runtime& runtime_;
  runtime::Loop& loop_;
  EngineOptions options_;
  EngineLink link_;
  std::map<std::string, std::string> markers_;  // running queries: id to what the engine sees
  uint64_t next_marker_ = 1, restarts_ = 0;
  int64_t restart_ms_ = 0;
  bool ready_ = false, stopping_ = false;
  mutable std::mutex mutex_;
  StoreHealth health_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace

Result<std::unique_ptr<EventStore>> make_engine_store(runtime::Runtime& runtime,
                                                      runtime::Loop& home,
                                                      runtime::Poller& poller,
                                                      EngineOptions options) {
  char self[PATH_MAX] = {};
  if (::readlink("/proc/self/exe", self, sizeof self - 1) <= 0) {
    return fail(Code::kUnavailable, "cannot find this program's own path");
  }
  if (options.binary.empty()) options.binary = self;
  if (options.library.empty()) {
    options.library = std::filesystem::path(self).parent_path() / "libchdb.so";
  }
  return std::make_unique<EngineStore>(runtime, home, poller, std::move(options));
}

}  // namespace penstock::store
