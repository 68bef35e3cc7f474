#include "store/engine_store.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <climits>
#include <filesystem>
#include <future>
#include <map>
#include <mutex>
#include <sstream>
#include <utility>

#include "base/codec.h"
#include "base/diag.h"
#include "base/metrics.h"
#include "store/dialect/metrics.h"
#include "store/dialect/query_guard.h"
#include "store/dialect/row_binary.h"
#include "store/dialect/upkeep.h"
#include "store/dialect/upkeep_sql.h"
#include "store/engine/link.h"
#include "store/engine/schema.h"
#include "store/table_access.h"

namespace penstock::store {
namespace {

Counter restarts_total{"penstock_store_engine_restarts_total",
                       "Times the engine was started again."};

constexpr int64_t kStatsMs = 5000;
constexpr char kStarting[] = "the engine is starting";
constexpr int kSilentPeriodsMax = 12;  // a minute

class EngineStore : public EventStore, public TableAccess {
 public:
  EngineStore(runtime::Runtime& runtime, runtime::Loop& loop, runtime::Poller& poller,
              EngineOptions options)
      : runtime_(runtime),
        loop_(loop),
        options_(std::move(options)),
        link_(poller, options_, [this] { died(); }),
        upkeep_(loop, {.database = "default"}, options_.squash_room_bytes,
                [this](Turn turn, std::vector<Statement> statements, TextDone done) {
                  send(turn, std::move(statements), std::move(done));
                }) {}

  ~EngineStore() override {
    *alive_ = false;
    stopping_ = true;
    link_.kill();  // answers what is under way while the members are still there
  }

  Status start() override {
    begin();
    return {};
  }

  void stop() override {
    if (loop_.on_this_thread()) {
      stopping_ = true;
      return link_.kill();
    }
    auto stopped = std::make_shared<std::promise<void>>();
    loop_.post([this, alive = alive_, stopped] {
      if (!*alive) return stopped->set_value();
      stopping_ = true;
      when_idle_ = [this, stopped] {
        link_.kill();
        stopped->set_value();
      };
      if (inserts_ == 0) std::exchange(when_idle_, nullptr)();
    });
    const auto future = stopped->get_future();
    if (future.wait_for(std::chrono::milliseconds(options_.stop_ms_max)) ==
        std::future_status::ready) {
      return;
    }
    loop_.post([this, alive = alive_] {
      if (*alive && when_idle_) std::exchange(when_idle_, nullptr)();
    });
  }

  void insert(std::shared_ptr<const InsertBatch> batch, InsertDone done) override {
    if (!ready_ || stopping_) return done(fail(Code::kUnavailable, detail()));
    // Encoding takes tens of milliseconds for a large batch: not on the loop.
    auto encoded = std::make_shared<EncodedInserts>();
    auto shared = std::make_shared<InsertDone>(std::move(done));
    inserts_++;
    const Status submitted = runtime_.pool().submit(
        [encoded, batch, now_ms = runtime_.clock().wall_ms()] {
          *encoded = encode_inserts(*batch, now_ms);
        },
        loop_,
        [this, alive = alive_, encoded, batch, shared] {
          if (!*alive) return (*shared)(fail(Code::kCancelled, "the store has stopped"));
          send(*encoded, batch->events.size(),
               [this, shared](Status s) { inserted(std::move(s), *shared); });
        });
    if (!submitted) inserted(submitted, *shared);
  }

  void query(Query query, QueryDone done) override {
    if (const Status allowed = check_query(query.sql, query.project.value == 0); !allowed) {
      return done(std::unexpected(allowed.error()));
    }
    if (!ready_ || stopping_) return done(fail(Code::kUnavailable, detail()));
    const std::string marker = fmt::format("penstock-query-{}", next_marker_++);
    std::string operands;
    ByteWriter w(operands);
    w.bytes(marker);
    w.bytes(query_setup(query));
    w.bytes(query.sql);
    w.bytes(format_name(query.format));
    markers_[query.id] = marker;
    auto answer = [this, id = query.id, marker,
                   done = std::move(done)](Result<EngineReply> reply) mutable {
      if (const auto it = markers_.find(id); it != markers_.end() && it->second == marker) {
        markers_.erase(it);
      }
      if (!reply) {
        const Code code =
            reply.error().code == Code::kMaybe ? Code::kUnavailable : reply.error().code;
        return done(fail(code, std::move(reply.error().message)));
      }
      query_seconds.record_us(reply->elapsed_us);
      done(QueryResult{std::move(reply->body), reply->rows, reply->bytes, reply->elapsed_us});
    };
    link_.request(EngineOp::kQuery, std::move(operands), std::move(answer));
  }

  void cancel(const std::string& query_id) override {
    const auto it = markers_.find(query_id);
    if (it == markers_.end()) return;
    std::string operands;
    ByteWriter(operands).bytes(it->second);
    link_.request(EngineOp::kCancel, std::move(operands), [](Result<EngineReply> reply) {
      if (!reply) diag::warn("cancel failed", {{"error", reply.error().message}});
    });
  }

  void erase_person(EraseRequest request, EraseStep step, EraseDone done) override {
    upkeep_.erase(std::move(request), std::move(step), std::move(done));
  }

  void freeze_overrides(FreezeDone done) override { upkeep_.freeze(std::move(done)); }

  void squash_overrides(SquashStep step, SquashDone done) override {
    upkeep_.squash(std::move(step), std::move(done));
  }

  StoreHealth health() const override {
    const std::lock_guard lock(mutex_);
    return health_;
  }

  void ask(std::string sql, std::string_view format, Answer done) override {
    if (!ready_ || stopping_) return done(fail(Code::kUnavailable, detail()));
    std::string operands;
    ByteWriter w(operands);
    w.bytes(sql);
    w.bytes(format);
    answer(EngineOp::kUpkeep, std::move(operands), std::move(done));
  }

  void put(std::string sql, std::string rows, Answer done) override {
    std::vector<Statement> statements;
    statements.push_back({std::move(sql), std::move(rows)});
    send(Turn::kAmongInserts, std::move(statements), std::move(done));
  }

 private:
  // --- inserting --------------------------------------------------------------------------------

  void send(EncodedInserts& encoded, size_t events, InsertDone done) {
    if (encoded.rows == 0) return done(Status{});
    const int64_t begin = runtime_.clock().mono_ns();
    // An insert that never answers would hold everything back: its engine is ended instead.
    const auto deadline =
        loop_.after(std::chrono::milliseconds(options_.insert_ms_max), [this, alive = alive_] {
          if (*alive) hung("an insert");
        });
    link_.request(
        EngineOp::kInsert, std::move(encoded.operands),
        [this, begin, events, deadline, done = std::move(done)](Result<EngineReply> reply) mutable {
          loop_.cancel(deadline);
          if (!reply) return done(std::unexpected(std::move(reply).error()));
          insert_seconds.record_us((runtime_.clock().mono_ns() - begin) / 1000);
          inserted_rows.add(events);
          done(Status{});
        });
  }

  /// Statements of upkeep.
  void send(Turn turn, std::vector<Statement> statements, TextDone done) {
    if (!ready_ || stopping_) return done(fail(Code::kUnavailable, detail()));
    std::string operands;
    if (turn == Turn::kBeside) {
      ByteWriter w(operands);
      w.bytes(statements.front().sql);
      w.bytes("TSV");
    } else {
      operands = pack(std::move(statements));
    }
    answer(turn == Turn::kBeside ? EngineOp::kUpkeep : EngineOp::kInsert, std::move(operands),
           std::move(done));
  }

  void answer(EngineOp op, std::string operands, TextDone done) {
    link_.request(op, std::move(operands),
                  [done = std::move(done)](Result<EngineReply> reply) mutable {
                    if (!reply) return done(std::unexpected(std::move(reply).error()));
                    done(std::move(reply->body));
                  });
  }

  void inserted(Status status, InsertDone& done) {
    inserts_--;
    done(std::move(status));
    if (inserts_ == 0 && when_idle_) std::exchange(when_idle_, nullptr)();
  }

  void hung(std::string_view what) {
    diag::error("engine does not answer and is ended", {{"request", what}});
    link_.kill();
  }

  // --- start and restart ------------------------------------------------------------------------

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
    set_health(false, kStarting);
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
    run("EXISTS TABLE penstock_migrations", [this](const std::string& answer) {
      if (answer.starts_with('1')) return read_migrations();
      define(
          "CREATE TABLE IF NOT EXISTS penstock_migrations (version Int32, name String, "
          "checksum UInt64, at DateTime DEFAULT now()) ENGINE = MergeTree ORDER BY version "
          "SETTINGS fsync_after_insert = 1, fsync_part_directory = 1",
          [this](const std::string&) { read_migrations(); });
    });
  }

  /// A note of a migration that was damaged while the disk was full was not confirmed: the
  /// migration is made again. Set aside it would count as damage for good.
  void read_migrations() {
    run("SELECT name FROM system.detached_parts WHERE database = currentDatabase() AND "
        "table = 'penstock_migrations' AND startsWith(reason, 'broken') AND level = 0 LIMIT 1",
        [this](const std::string& broken) {
          if (!broken.empty()) return forget(broken.substr(0, broken.find('\n')));
          run("SELECT version, any(checksum) FROM penstock_migrations GROUP BY version "
              "ORDER BY version",
              [this](const std::string& answer) { compare(answer); });
        });
  }

  void forget(const std::string& part) {
    diag::warn("the note of a migration was not written whole", {{"part", part}});
    run(fmt::format("ALTER TABLE penstock_migrations DROP DETACHED PART '{}' "
                    "SETTINGS allow_drop_detached = 1",
                    part),
        [this](const std::string&) { read_migrations(); });
  }

  /// Runs SQL with every right; a failure makes the engine start over after a pause.
  void run(std::string_view sql, std::function<void(const std::string&)> next) {
    ask(EngineOp::kRun, sql, std::move(next));
  }

  /// Likewise, for what makes and changes tables.
  void define(std::string_view sql, std::function<void(const std::string&)> next) {
    ask(EngineOp::kDefine, sql, std::move(next));
  }

  void ask(EngineOp op, std::string_view sql, std::function<void(const std::string&)> next) {
    std::string operands;
    ByteWriter w(operands);
    w.bytes(sql);
    w.bytes("TSV");
    link_.request(op, std::move(operands), [this, next](Result<EngineReply> reply) {
      if (reply) return next(reply->body);
      if (stopping_ || reply.error().code == Code::kMaybe) return;  // died() sees to it
      refuse("set-up failed: " + reply.error().message);
      link_.kill();
    });
  }

  /// `applied`: lines of version and checksum, in order.
  void compare(const std::string& applied) {
    std::istringstream in(applied);
    int version = 0, last = 0;
    uint64_t checksum = 0;
    const auto known = static_cast<int>(migrations().size());
    while (in >> version >> checksum) {
      last = version;
      if (version > known) continue;
      if (migrations()[static_cast<size_t>(version) - 1].checksum() != checksum) {
        return refuse(
            fmt::format("the store's tables were made by another Penstock: migration {} "
                        "has changed",
                        version));
      }
    }
    if (last > known) {
      return refuse(
          fmt::format("the store was made by a newer Penstock (schema {}, this one knows "
                      "{})",
                      last, known));
    }
    migrate(static_cast<size_t>(last), 0);
  }

  /// `done` migrations are applied; runs the next one from `statement` on.
  void migrate(size_t done, size_t statement) {
    if (done == migrations().size()) return prepare(0);
    const Migration& next = migrations()[done];
    if (statement < next.statements.size()) {
      return define(next.statements[statement],
                    [this, done, statement](const std::string&) { migrate(done, statement + 1); });
    }
    define(fmt::format("INSERT INTO penstock_migrations (version, name, checksum) SETTINGS "
                       "async_insert=0 VALUES ({}, '{}', {})",
                       next.version, next.name, next.checksum()),
           [this, done](const std::string&) { migrate(done + 1, 0); });
  }

  void prepare(size_t statement) {
    const std::vector<std::string> all = sql::at_start();
    if (statement == all.size()) return came_up();
    run(all[statement], [this, statement](const std::string&) { prepare(statement + 1); });
  }

  void refuse(const std::string& why) {
    diag::error("store cannot be used", {{"reason", why}});
    set_health(false, why);
  }

  void came_up() {
    restart_ms_ = 0;
    set_health(true, "");
    look();
  }

  void look() {
    if (!ready_ || stopping_) return;
    looked_ = false;
    link_.request(EngineOp::kStats, "", [this](Result<EngineReply> reply) {
      looked_ = true;
      if (!reply) return;
      const std::lock_guard lock(mutex_);
      health_.memory_bytes = reply->rows;
      const size_t tab = reply->body.find('\t');
      health_.version = reply->body.substr(0, tab);
      if (tab == std::string::npos) return;
      char* end = nullptr;
      health_.disk_bytes = std::strtoull(reply->body.c_str() + tab + 1, &end, 10);
      health_.overrides = std::strtoull(end, &end, 10);
      health_.damaged_parts = std::strtoull(end, &end, 10);
      health_.unfinished_parts = std::strtoull(end, nullptr, 10);
    });
    look_again(1);
  }

  /// A child that lives and does not answer for several periods is ended.
  void look_again(int periods) {
    loop_.after(std::chrono::milliseconds(kStatsMs),
                [this, alive = alive_, periods, life = restarts_] {
                  if (!*alive || !ready_ || stopping_ || life != restarts_) return;
                  if (looked_) return look();
                  if (periods >= kSilentPeriodsMax) return hung("a question about its state");
                  look_again(periods + 1);
                });
  }

  void died() {
    restarts_++;
    upkeep_.engine_died();
    if (stopping_) return set_health(false, "the engine has stopped");
    restarts_total.add();
    diag::warn("engine ended, starting it again", {{"restarts", restarts_}});
    if (ready_) {
      set_health(false, "the engine ended and is starting again");
    } else if (detail() == kStarting) {
      set_health(false, "the engine ended while starting; its last words are in the log");
    }
    {
      const std::lock_guard lock(mutex_);
      health_.restarts = restarts_;
    }
    retry();
  }

  void retry() {
    ready_ = false;
    restart_ms_ = std::clamp(restart_ms_ * 2, options_.restart_ms_min, options_.restart_ms_max);
    loop_.after(std::chrono::milliseconds(restart_ms_), [this, alive = alive_] {
      if (*alive && !link_.running()) begin();
    });
  }

  runtime::Runtime& runtime_;
  runtime::Loop& loop_;
  EngineOptions options_;
  EngineLink link_;
  Upkeep upkeep_;
  std::map<std::string, std::string> markers_;  // running queries: id to what the engine sees
  uint64_t next_marker_ = 1, restarts_ = 0;
  size_t inserts_ = 0;  // under way, encoding included
  int64_t restart_ms_ = 0;
  bool ready_ = false, stopping_ = false, looked_ = true;
  runtime::Task when_idle_;
  mutable std::mutex mutex_;
  StoreHealth health_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace

Result<std::unique_ptr<EventStore>> make_engine_store(runtime::Runtime& runtime,
                                                      runtime::Loop& home, runtime::Poller& poller,
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
