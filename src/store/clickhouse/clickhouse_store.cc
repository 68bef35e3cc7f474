// The store's life with a server: finding one, its tables, inserts one after the other, queries.
#include "store/clickhouse_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <deque>
#include <future>
#include <map>
#include <mutex>
#include <set>
#include <sstream>
#include <utility>

#include "base/diag.h"
#include "store/clickhouse/connection.h"
#include "store/clickhouse/migrator.h"
#include "store/clickhouse/override_keeper.h"
#include "store/dialect/broken_parts.h"
#include "store/dialect/metrics.h"
#include "store/dialect/query_guard.h"
#include "store/dialect/row_binary.h"
#include "store/dialect/upkeep.h"
#include "store/dialect/upkeep_sql.h"
#include "store/table_access.h"

namespace penstock::store {
namespace {

using clickhouse::Connection;
using clickhouse::layout_of;
using clickhouse::Migrator;
using clickhouse::Packed;

Counter failovers_total{"penstock_store_failovers_total",
                        "Times the store's server did not answer and the next one was asked."};

constexpr int kVersionMin = 2403;  // 24.3
constexpr int64_t kStopMs = 10'000;
constexpr int64_t kMillion = 1'000'000;

class ClickHouseStore final : public EventStore, public TableAccess {
 public:
  ClickHouseStore(runtime::Runtime& runtime, runtime::Loop& loop, ClickHouseOptions options)
      : runtime_(runtime),
        loop_(loop),
        options_(std::move(options)),
        name_(name(runtime)),
        connection_(std::make_unique<Connection>(loop, options_)),
        migrator_(loop, layout_of(options_), name_,
                  [this](std::string sql, bool in_database, TextDone done) {
                    connection_->run(std::move(sql), in_database, options_.upkeep_ms,
                                     std::move(done));
                  }),
        overrides_(options_.database,
                   [this](std::string sql, TextDone done) {
                     connection_->run(std::move(sql), true, options_.statement_ms, std::move(done));
                   }),
        upkeep_(loop, {options_.database, options_.cluster, options_.user, options_.password},
                options_.squash_room_bytes,
                [this](Turn turn, std::vector<Statement> statements, TextDone done) {
                  send(turn, std::move(statements), std::move(done));
                }) {
    health_.engine = "clickhouse (server)";
    health_.detail = "the server has not been asked yet";
  }

  ~ClickHouseStore() override {
    stopping_ = true;
    *alive_ = false;
    connection_.reset();  // answers what is under way while the members are still there
    for (size_t i = 1; i < turns_.size(); i++) {
      turns_[i]->done(fail(Code::kCancelled, "the store has stopped"));
    }
  }

  Status start() override {
    begin();
    return {};
  }

  void stop() override {
    if (loop_.on_this_thread()) {
      stopping_ = true;
      return;
    }
    auto stopped = std::make_shared<std::promise<void>>();
    loop_.post([this, alive = alive_, stopped] {
      if (!*alive) return stopped->set_value();
      stopping_ = true;
      when_idle_ = [stopped] { stopped->set_value(); };
      if (turns_.empty()) std::exchange(when_idle_, nullptr)();
    });
    stopped->get_future().wait_for(std::chrono::milliseconds(kStopMs));
  }

  void insert(std::shared_ptr<const InsertBatch> batch, InsertDone done) override {
    if (!ready_ || stopping_) return done(fail(Code::kUnavailable, detail()));
    if (turns_.size() + encoding_ >= options_.requests_max) {
      return done(fail(Code::kBusy, "too many requests are under way"));
    }
    struct Encoded {
      std::vector<Packed> statements;
      std::vector<std::string> overridden;  // ids
    };
    auto encoded = std::make_shared<Encoded>();
    auto shared = std::make_shared<InsertDone>(std::move(done));
    encoding_++;
    const Status submitted = runtime_.pool().submit(
        [encoded, batch, &options = options_, now_ms = runtime_.clock().wall_ms()] {
          auto rows = batch_statements(*batch, now_ms);
          encoded->statements = clickhouse::packed(std::move(rows.statements), options);
          if (!layout_of(options).overrides_in_memory()) return;
          for (std::string& ids : overridden_ids(*batch)) {
            encoded->statements.push_back({sql::refresh(ids), nullptr, {}});
            if (options.shared) encoded->overridden.push_back(std::move(ids));
          }
        },
        loop_,
        [this, alive = alive_, encoded, batch, shared] {
          if (!*alive) return (*shared)(fail(Code::kCancelled, "the store has stopped"));
          encoding_--;
          if (encoded->statements.empty()) return (*shared)(Status{});
          const int64_t begun = runtime_.clock().mono_ns();
          take_turn(std::move(encoded->statements), options_.insert_ms,
                    [this, batch, begun, shared, encoded](Status s) {
                      if (!s) return (*shared)(std::move(s));
                      insert_seconds.record_us((runtime_.clock().mono_ns() - begun) / 1000);
                      inserted_rows.add(batch->events.size());
                      overrides_.follow(std::move(encoded->overridden), std::move(*shared));
                    });
        });
    if (submitted) return;
    encoding_--;
    (*shared)(submitted);
  }

  void query(Query query, QueryDone done) override {
    if (const Status allowed = check_query(query.sql, query.project.value == 0, server_);
        !allowed) {
      return done(std::unexpected(allowed.error()));
    }
    if (!ready_ || stopping_) return done(fail(Code::kUnavailable, detail()));
    if (running_.size() >= options_.requests_max) {
      return done(fail(Code::kBusy, "too many queries are under way"));
    }
    Running running{fmt::format("{}-{}", name_, next_query_++), 0};
    // The answer comes after this returned: it travels over the loop.
    running.request = connection_->query(
        query, running.name, version_,
        [this, id = query.id, name = running.name,
         done = std::move(done)](Result<QueryResult> answer) mutable {
          if (const auto it = running_.find(id); it != running_.end() && it->second.name == name) {
            running_.erase(it);
          }
          if (answer) {
            query_seconds.record_us(answer->elapsed_us);
          } else {
            suspect(answer.error().code);
          }
          done(std::move(answer));
        });
    running_[query.id] = std::move(running);
  }

  void cancel(const std::string& query_id) override {
    const auto it = running_.find(query_id);
    if (it == running_.end()) return;
    const Running running = it->second;
    connection_->cancel(running.request);
    connection_->kill(running.name);
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
    connection_->run(fmt::format("{} FORMAT {}", sql, format), true, options_.upkeep_ms,
                     std::move(done), kTableAnswerBytesMax);
  }

  void put(std::string sql, std::string rows, Answer done) override {
    std::vector<Statement> statements;
    statements.push_back({std::move(sql), std::move(rows)});
    send(Turn::kAmongInserts, std::move(statements), std::move(done));
  }

 private:
  struct Running {
    std::string name;  // as the server has it
    uint64_t request = 0;
  };
  struct Batch {
    std::vector<Packed> statements;
    size_t at = 0;
    int64_t until_ns = 0;
    InsertDone done;
    uint64_t request = 0;
  };

  static std::string name(runtime::Runtime& runtime) {
    std::array<uint8_t, 10> random{};
    runtime.random().fill(random);
    return "penstock-" + Uuid::v7(runtime.clock().wall_ms(), random).text();
  }

  // --- one after the other ----------------------------------------------------------------------

  void take_turn(std::vector<Packed> statements, int64_t within_ms, InsertDone done) {
    auto batch = std::make_shared<Batch>();
    batch->statements = std::move(statements);
    batch->until_ns = within_ms * kMillion;  // from when its turn comes
    batch->done = std::move(done);
    turns_.push_back(std::move(batch));
    if (turns_.size() == 1) begin_turn();
  }

  void begin_turn() {
    turns_.front()->until_ns += runtime_.clock().mono_ns();
    next_statement();
  }

  void next_statement() {
    const auto batch = turns_.front();
    if (batch->at == batch->statements.size()) return end_turn({});
    const int64_t left_ms = (batch->until_ns - runtime_.clock().mono_ns()) / kMillion;
    if (left_ms <= 0) return end_turn(fail(Code::kMaybe, "the insert took too long"));
    batch->request = connection_->insert(batch->statements[batch->at], left_ms,
                                         [this, alive = alive_, batch](Status s) {
                                           if (!*alive) return batch->done(std::move(s));
                                           batch->request = 0;
                                           if (!s) {
                                             // Cancelled is what a request is that was cut off when
                                             // its server was given up.
                                             if (s.error().code == Code::kCancelled)
                                               s = fail(Code::kMaybe, s.error().message);
                                             suspect(s.error().code);
                                             return end_turn(std::move(s));
                                           }
                                           batch->statements[batch->at].rows = nullptr;
                                           batch->at++;
                                           next_statement();
                                         });
  }

  void end_turn(Status outcome) {
    const auto batch = turns_.front();
    turns_.pop_front();
    if (!turns_.empty()) begin_turn();
    batch->done(std::move(outcome));
    if (turns_.empty() && when_idle_) std::exchange(when_idle_, nullptr)();
  }

  /// Statements of upkeep.
  void send(Turn turn, std::vector<Statement> statements, TextDone done) {
    if (!ready_ || stopping_) return done(fail(Code::kUnavailable, detail()));
    if (turn == Turn::kBeside) {
      return connection_->run(std::move(statements.front().sql), true, options_.upkeep_ms,
                              std::move(done));
    }
    take_turn(clickhouse::packed(std::move(statements), options_), options_.upkeep_ms,
              [done = std::move(done)](Status s) mutable {
                if (!s) return done(std::unexpected(std::move(s).error()));
                done(std::string());
              });
  }

  // --- which server, and is it there ------------------------------------------------------------

  void begin() {
    if (stopping_) return;
    connection_->run(
        "SELECT version()", false, options_.statement_ms,
        [this, alive = alive_](Result<std::string> answer) {
          if (!*alive) return;
          if (!answer) return down(answer.error());
          version_ = clickhouse::version_number(*answer);
          if (version_ < kVersionMin) {
            return down({Code::kInvalid, fmt::format("the server is version {}; 24.3 is the oldest "
                                                     "that will do",
                                                     answer->substr(0, answer->find('\n')))});
          }
          migrate();
        });
  }

  void migrate() {
    if (migrated_) return prepare();
    migrator_.migrate([this, alive = alive_](Status done) {
      if (!*alive) return;
      if (!done) return down(done.error());
      migrated_ = true;
      prepare();
    });
  }

  bool in_memory() const { return layout_of(options_).overrides_in_memory(); }

  /// What a server keeps in memory alone is made anew, at the first time and when it was lost.
  void prepare() {
    if (!in_memory()) return came_up();
    connection_->run("SELECT count() FROM penstock_alive", true, options_.statement_ms,
                     [this, alive = alive_](Result<std::string> rows) {
                       if (!*alive) return;
                       if (!rows) return down(rows.error());
                       // Another one of ours may have, and keeps it up.
                       if (!rows->starts_with("0")) {
                         prepared_ = true;
                         return came_up();
                       }
                       if (prepared_) count_restart();
                       auto all = std::make_shared<std::vector<std::string>>(sql::at_start());
                       all->push_back(sql::refresh_recent());
                       // Not emptied first: another Penstock may be looking at it.
                       all->emplace_back(
                           "INSERT INTO penstock_alive SELECT now() WHERE (SELECT count() FROM "
                           "penstock_alive) = 0");
                       prepare(std::move(all), 0);
                     });
  }

  void count_restart() {
    upkeep_.engine_died();
    const std::lock_guard lock(mutex_);
    health_.restarts++;
  }

  void prepare(std::shared_ptr<std::vector<std::string>> all, size_t at) {
    if (at == all->size()) {
      prepared_ = true;
      return came_up();
    }
    connection_->run((*all)[at], true, options_.upkeep_ms,
                     [this, alive = alive_, all, at](Result<std::string> r) {
                       if (!*alive) return;
                       if (!r) return down(r.error());
                       prepare(all, at + 1);
                     });
  }

  void came_up() {
    retry_ms_ = 0;
    set_health(true, "");
    diag::info("the store's server is there", {{"url", connection_->url()}});
    look();
  }

  /// The server cannot be used; the next one is asked after a pause.
  void down(const Error& error) {
    if (stopping_) return;
    const bool was_ready = ready_;
    const std::string url = connection_->url();
    if (detail() != error.message) {
      diag::warn("the store's server cannot be used", {{"url", url}, {"error", error.message}});
    }
    set_health(false, error.message);
    upkeep_.engine_died();
    if (connection_->has_others()) {
      failovers_total.add();
      connection_->go_on();
      // Its outcome is unknown; under the same token it may be repeated elsewhere.
      if (!turns_.empty() && turns_.front()->request != 0) {
        connection_->cancel(turns_.front()->request);
      }
    }
    retry_ms_ = was_ready ? options_.retry_ms_min
                          : std::clamp(retry_ms_ * 2, options_.retry_ms_min, options_.retry_ms_max);
    loop_.after(std::chrono::milliseconds(retry_ms_), [this, alive = alive_] {
      if (*alive) begin();
    });
  }

  /// A call went wrong in a way that the server may be gone: not known before it is asked.
  void suspect(Code code) {
    if (code != Code::kUnavailable && code != Code::kMaybe && code != Code::kTimeout) return;
    if (ready_ && !looking_ && !stopping_) look();
  }

  void look() {
    looking_ = true;
    loop_.cancel(std::exchange(next_look_, 0));
    connection_->run(
        fmt::format(
            "SELECT version(), {}, (SELECT sum(bytes_on_disk) FROM system.parts WHERE "
            "active AND database = currentDatabase()), (SELECT count() FROM {}), "
            "{}, {}, (SELECT max(value) FROM system.metrics WHERE "
            "metric = 'MemoryTracking'), (SELECT arrayStringConcat(groupArray(lower(name)), "
            "'\\n') FROM system.databases WHERE name != currentDatabase()), (SELECT "
            "arrayStringConcat(groupArray(lower(name)), '\\n') FROM system.table_functions)",
            in_memory() ? "(SELECT count() FROM penstock_alive)" : "1",
            in_memory() ? "penstock_overrides" : "person_distinct_id_overrides",
            sql::lost_parts("database = currentDatabase()"),
            sql::unfinished_parts("database = currentDatabase()")),
        true, options_.statement_ms, [this, alive = alive_](Result<std::string> answer) {
          if (!*alive || stopping_) return;
          looking_ = false;
          if (!answer) return down(answer.error());
          if (!note(*answer)) {
            set_health(false, "the server was started again");
            return prepare();
          }
          next_look_ = loop_.after(std::chrono::milliseconds(options_.look_ms), [this, alive] {
            if (!*alive) return;
            next_look_ = 0;
            if (ready_ && !looking_) look();
          });
        });
  }

  /// A line of the server about itself. False: what it had in memory is gone.
  bool note(const std::string& line) {
    std::istringstream in(line);
    std::string version;
    uint64_t alive = 0, disk = 0, overrides = 0, damaged = 0, unfinished = 0, memory = 0;
    in >> version >> alive >> disk >> overrides >> damaged >> unfinished >> memory;
    std::string databases, table_functions;
    std::getline(std::getline(in.ignore(1), databases, '\t'), table_functions);
    server_ = {clickhouse::names_in(databases), clickhouse::names_in(table_functions)};
    version_ = clickhouse::version_number(version);
    const std::lock_guard lock(mutex_);
    health_.version = version;
    health_.disk_bytes = disk;
    health_.overrides = overrides;
    health_.damaged_parts = damaged;
    health_.unfinished_parts = unfinished;
    health_.memory_bytes = memory;
    return alive > 0;
  }

  void set_health(bool ready, const std::string& why) {
    ready_ = ready;
    const std::lock_guard lock(mutex_);
    health_.ready = ready;
    health_.detail = why;
  }

  std::string detail() const {
    const std::lock_guard lock(mutex_);
    return health_.detail.empty() ? "the store is stopping" : health_.detail;
  }

  runtime::Runtime& runtime_;
  runtime::Loop& loop_;
  const ClickHouseOptions options_;
  const std::string name_;
  std::unique_ptr<Connection> connection_;
  Migrator migrator_;
  clickhouse::OverrideKeeper overrides_;
  Upkeep upkeep_;
  std::deque<std::shared_ptr<Batch>> turns_;  // the first is under way; bounded by requests_max
  size_t encoding_ = 0;
  std::map<std::string, Running> running_;  // queries, by the asker's id
  uint64_t next_query_ = 1;
  int version_ = 0;
  ServerNames server_;
  int64_t retry_ms_ = 0;
  bool ready_ = false, migrated_ = false, prepared_ = false, stopping_ = false, looking_ = false;
  runtime::TimerId next_look_ = 0;
  runtime::Task when_idle_;
  mutable std::mutex mutex_;
  StoreHealth health_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace

Result<std::unique_ptr<EventStore>> make_clickhouse_store(runtime::Runtime& runtime,
                                                          runtime::Loop& home,
                                                          ClickHouseOptions options) {
  PENSTOCK_CHECK(check_clickhouse_options(options));
  return std::make_unique<ClickHouseStore>(runtime, home, std::move(options));
}

}  // namespace penstock::store
