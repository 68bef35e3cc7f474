// World: one EventStore on a real loop, driven from a test's thread.
#pragma once

#include <signal.h>
#include <unistd.h>
#include <ctime>

#include <chrono>
#include <climits>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <future>
#include <memory>
#include <string>
#include <vector>

#include "runtime/real_runtime.h"
#include "store/clickhouse_store.h"
#include "store/engine_store.h"
#include "store/memory_store.h"
#include "tests/contract/clickhouse_front.h"

namespace penstock::store::testing {

struct Row {
  int64_t project = 1;
  uint32_t number = 0;
  std::string event = "seen", distinct_id = "u1";
  std::string properties = R"({"$session_id":"s1","$group_0":"acme"})";
  int64_t timestamp_ms = 1'785'585'600'000;
  uint8_t person = 0;
};

inline Uuid person_id(uint8_t number) {
  Uuid out;
  out.bytes[0] = number;
  return out;
}

inline std::string own_directory() {
  char self[PATH_MAX] = {};
  const ssize_t n = ::readlink("/proc/self/exe", self, sizeof self - 1);
  return n <= 0 ? std::string(".") : std::filesystem::path(self).parent_path().string();
}

/// Beside this program or above it, where the build puts it.
inline std::string beside(const std::string& name) {
  for (std::filesystem::path at = own_directory(); at.has_relative_path(); at = at.parent_path()) {
    if (std::filesystem::exists(at / name)) return (at / name).string();
  }
  return {};
}

inline std::string fresh_directory() {
  const char* base = std::getenv("TMPDIR");
  std::string path = std::string(base == nullptr ? "/tmp" : base) + "/penstock-store-XXXXXX";
  return ::mkdtemp(path.data()) == nullptr ? std::string() : path;
}

class World {
 public:
  explicit World(std::string_view kind, std::string directory = "", EngineOptions options = {})
      : directory_(directory.empty() ? fresh_directory() : std::move(directory)) {
    thread_.start();
    if (kind == "memory") {
      auto memory = std::make_unique<MemoryStore>();
      memory_ = memory.get();
      store_ = std::move(memory);
    } else if (kind != "engine") {
      store_ = std::move(*make_clickhouse_store(
          *runtime_, thread_.loop(), clickhouse_options(kind, options.squash_room_bytes)));
    } else {
      options.directory = directory_ + "/engine";
      options.binary = beside("penstock-engine");
      options.library = beside("libchdb.so");
      options.restart_ms_min = 10;
      auto made = make_engine_store(*runtime_, thread_.loop(), thread_.poller(), options);
      store_ = std::move(*made);
    }
    on_loop([this] { (void)store_->start(); });
  }

  ~World() {
    store_->stop();
    on_loop([this] { store_.reset(); });
    thread_.stop();
    thread_.join();
    front_.reset();
    if (!keep_) std::filesystem::remove_all(directory_);
  }

  /// "memory", "engine", "clickhouse": the engine behind ClickHouse's HTTP interface; "cluster":
  /// the same as the one node of a named cluster, without Keeper (clickhouse_front.py says what
  /// that leaves out); "server": what PENSTOCK_TEST_CLICKHOUSE_URL names.
  static std::vector<const char*> kinds(bool sql_only = false) {
    std::vector<const char*> out{"engine", "clickhouse", "cluster"};
    if (!sql_only) out.insert(out.begin(), "memory");
    if (std::getenv("PENSTOCK_TEST_CLICKHOUSE_URL") != nullptr) out.push_back("server");
    return out;
  }
  ClickHouseFront* front() { return front_.get(); }
  const std::string& database() const { return database_; }

  static bool engine_available() {
    return !beside("libchdb.so").empty() && !beside("penstock-engine").empty();
  }
  static std::string hex(std::string_view text) {
    constexpr char kDigits[] = "0123456789ABCDEF";
    std::string out;
    for (const char c : text) {
      out += kDigits[(static_cast<unsigned char>(c) >> 4) & 15];
      out += kDigits[static_cast<unsigned char>(c) & 15];
    }
    return out;
  }

  EventStore& store() { return *store_; }
  MemoryStore* memory() { return memory_; }
  const std::string& directory() const { return directory_; }
  runtime::LoopThread& thread() { return thread_; }
  /// The directory outlives this world.
  void keep_directory() { keep_ = true; }

  bool wait_ready(std::chrono::seconds limit = std::chrono::seconds(60)) {
    const auto end = std::chrono::steady_clock::now() + limit;
    while (!store_->health().ready) {
      if (std::chrono::steady_clock::now() > end) return false;
      turn();
    }
    return true;
  }

  /// The engine has been started again this often and is ready.
  bool wait_restarts(uint64_t restarts) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (store_->health().restarts < restarts || !store_->health().ready) {
      if (std::chrono::steady_clock::now() > end) return false;
      turn();
    }
    return true;
  }

  Status insert(std::string id, const std::vector<Row>& rows) {
    return start_insert(std::move(id), rows).get();
  }

  std::future<Status> start_insert(std::string id, const std::vector<Row>& rows) {
    auto batch = std::make_shared<InsertBatch>();
    auto kept = std::make_shared<std::vector<Row>>(rows);
    batch->id = std::move(id);
    for (const Row& r : *kept) {
      InsertBatch::EventEntry e;
      e.project = {r.project};
      for (size_t i = 0; i < 4; i++) {
        e.uuid.bytes[15 - i] = static_cast<uint8_t>(r.number >> (8 * i));
      }
      e.row.event = r.event;
      e.row.properties = r.properties;
      e.row.timestamp_ms = r.timestamp_ms;
      e.row.distinct_id = r.distinct_id;
      e.row.elements_chain = R"(a:href="/x")";
      e.row.created_at_ms = r.timestamp_ms;
      e.row.person_properties = "{}";
      e.row.person_id = person_id(r.person);
      batch->events.push_back(e);
    }
    batch->owner = kept;
    return start_insert(std::move(batch));
  }

  Status insert_people(std::string id, const std::vector<int64_t>& projects) {
    auto batch = std::make_shared<InsertBatch>();
    batch->id = std::move(id);
    uint8_t n = 0;
    for (const int64_t p : projects) {
      Uuid uuid;
      uuid.bytes[0] = ++n;
      batch->persons.push_back(
          {.project = {p}, .id = uuid, .properties = "{}", .version = 1, .last_seen_at_ms = {}});
      batch->distinct_ids.push_back({{p}, "u", uuid, false, 1});
      batch->distinct_ids.push_back({{p}, "u", uuid, false, 0});
    }
    return insert(std::move(batch));
  }

  /// Distinct ids that belong to another person now.
  Status insert_mappings(std::string id, const std::vector<event::DistinctIdChange>& changes) {
    auto batch = std::make_shared<InsertBatch>();
    batch->id = std::move(id);
    batch->distinct_ids = changes;
    return insert(std::move(batch));
  }

  Result<std::vector<ErasedTable>> erase(const EraseRequest& request) {
    return await<Result<std::vector<ErasedTable>>>(
        [&](auto done) { store_->erase_person(request, nullptr, std::move(done)); });
  }

  Result<uint64_t> freeze() {
    return await<Result<uint64_t>>([&](auto done) { store_->freeze_overrides(std::move(done)); });
  }

  Result<SquashProgress> squash() { return start_squash().get(); }

  std::future<Result<SquashProgress>> start_squash() {
    return start<Result<SquashProgress>>(
        [this](auto done) { store_->squash_overrides(nullptr, std::move(done)); });
  }

  /// For every project a recording of two blocks, and a console line.
  Status insert_recordings(std::string id, const std::vector<int64_t>& projects) {
    auto batch = std::make_shared<InsertBatch>();
    batch->id = std::move(id);
    for (int64_t p : projects) {
      event::ReplayBlock block;
      block.project = {p};
      block.session_id = "session";
      block.distinct_id = "u";
      block.snapshot_source = "web";
      block.click_count = 2;
      block.event_count = 5;
      block.message_count = 1;
      block.first_timestamp_ms = 1'785'585'600'000;
      block.last_timestamp_ms = 1'785'585'601'000;
      block.block_url = "object:a?range=bytes=0-9";
      block.first_url = "https://example.com/first";
      block.urls = {block.first_url};
      block.retention_period_days = 30;
      batch->replay_blocks.push_back(block);
      block.first_timestamp_ms += 1000;
      block.last_timestamp_ms += 1000;
      block.block_url = "object:a?range=bytes=10-19";
      block.first_url = "https://example.com/second";
      block.urls = {block.first_url, "https://example.com/first"};
      batch->replay_blocks.push_back(block);
      batch->log_entries.push_back(
          {{p}, "session_replay", "session", std::time(nullptr) * 1000, "warn", "it's \"odd\""});
    }
    return insert(std::move(batch));
  }

  /// For every project a click and how far somebody scrolled.
  Status insert_heatmaps(std::string id, const std::vector<int64_t>& projects) {
    auto batch = std::make_shared<InsertBatch>();
    batch->id = std::move(id);
    for (int64_t p : projects) {
      InsertBatch::HeatmapEntry h{{p}, "session", "u", std::time(nullptr) * 1000, 120, 67, {}};
      h.point = {"https://example.com/", "click", 5, -3, true};
      batch->heatmaps.push_back(h);
      h.point = {"https://example.com/before", "scrolldepth", 0, 32767, false};
      batch->heatmaps.push_back(h);
    }
    return insert(std::move(batch));
  }

  Status insert_warnings(std::string id, ProjectId project,
                         const std::vector<std::string>& details) {
    auto batch = std::make_shared<InsertBatch>();
    batch->id = std::move(id);
    for (const std::string& text : details) {
      batch->warnings.push_back({project, "some_type", "plugin-server", text, 1'785'585'600'123});
    }
    return insert(std::move(batch));
  }

  /// A state of one group, for every project.
  Status insert_group(std::string id, const std::vector<int64_t>& projects, uint64_t version,
                      std::string_view properties) {
    auto batch = std::make_shared<InsertBatch>();
    batch->id = std::move(id);
    for (int64_t p : projects) {
      batch->groups.push_back({{p}, 2, "it's \"odd\"", properties, 1'785'585'600'123, version});
    }
    return insert(std::move(batch));
  }

  Status insert(std::shared_ptr<const InsertBatch> batch) {
    return start_insert(std::move(batch)).get();
  }

  std::future<Status> start_insert(std::shared_ptr<const InsertBatch> batch) {
    auto promise = std::make_shared<std::promise<Status>>();
    thread_.loop().post([this, batch, promise] {
      store_->insert(batch, [promise](Status s) { promise->set_value(std::move(s)); });
    });
    return promise->get_future();
  }

  std::future<Result<QueryResult>> start_query(const std::string& id, const std::string& sql,
                                               int64_t project = 1,
                                               QueryFormat format = QueryFormat::kCsvWithNames,
                                               QueryLimits limits = {}) {
    auto promise = std::make_shared<std::promise<Result<QueryResult>>>();
    Query q{id, sql, {project}, format, limits};
    thread_.loop().post([this, q, promise] {
      store_->query(q, [promise](Result<QueryResult> r) { promise->set_value(std::move(r)); });
    });
    return promise->get_future();
  }

  Result<QueryResult> query(const std::string& sql, int64_t project,
                            QueryFormat format = QueryFormat::kCsvWithNames,
                            QueryLimits limits = {}) {
    return start_query("q" + std::to_string(next_query_++), sql, project, format, limits).get();
  }

  /// CSV without its header line, or the error's text.
  std::string ask(const std::string& sql, int64_t project = 0) {
    const auto answer = query(sql, project);
    if (!answer) return "error: " + answer.error().message;
    const size_t line = answer->body.find('\n');
    return line == std::string::npos ? answer->body : answer->body.substr(line + 1);
  }

  void cancel(const std::string& id) {
    on_loop([this, id] { store_->cancel(id); });
  }

  size_t stored_events() {
    if (memory_ != nullptr) return memory_->events().size();
    return std::strtoull(ask("SELECT count() FROM events").c_str(), nullptr, 10);
  }

  /// Kills the engine's process, found among this process's children by its name; false: none. A
  /// server is started again at once, as its supervisor would.
  bool kill_engine() {
    if (front_ != nullptr) {
      front_->kill();
      front_->start();
      return true;
    }
    for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
      std::ifstream in(task.path() / "children");
      for (int pid = 0; in >> pid;) {
        std::string name;
        std::ifstream comm("/proc/" + std::to_string(pid) + "/comm");
        std::getline(comm, name);
        if (name == "penstock-engine") return ::kill(pid, SIGKILL) == 0;
      }
    }
    return false;
  }

  template <typename Answer, typename Call>
  std::future<Answer> start(Call call) {
    auto promise = std::make_shared<std::promise<Answer>>();
    thread_.loop().post([call, promise] {
      call([promise](Answer answer) { promise->set_value(std::move(answer)); });
    });
    return promise->get_future();
  }

  template <typename Answer, typename Call>
  Answer await(Call call) {
    return start<Answer>(std::move(call)).get();
  }

  void on_loop(std::function<void()> work) {
    std::promise<void> done;
    thread_.loop().post([&] {
      work();
      done.set_value();
    });
    done.get_future().wait();
  }

 private:
  ClickHouseOptions clickhouse_options(std::string_view kind, uint64_t squash_room_bytes) {
    ClickHouseOptions out;
    out.squash_room_bytes = squash_room_bytes;
    out.retry_ms_min = 20;
    out.retry_ms_max = 200;
    out.look_ms = 200;
    out.statement_ms = 4000;
    const auto env = [](const char* name) {
      const char* value = std::getenv(name);
      return std::string(value == nullptr ? "" : value);
    };
    if (kind == "server") {
      out.urls = env("PENSTOCK_TEST_CLICKHOUSE_URL");
      out.cluster = env("PENSTOCK_TEST_CLICKHOUSE_CLUSTER");
      out.password = env("PENSTOCK_TEST_CLICKHOUSE_PASSWORD");
      if (const std::string user = env("PENSTOCK_TEST_CLICKHOUSE_USER"); !user.empty()) {
        out.user = user;
      }
      // Every world is a database of its own, which stays for whoever wants to look.
      static int worlds = 0;
      out.database = "test_penstock_" + std::to_string(std::time(nullptr)) + "_" +
                     std::to_string(::getpid()) + "_" + std::to_string(++worlds);
      database_ = out.database;
      return out;
    }
    if (kind == "cluster") out.cluster = "main";
    // To this machine nothing would be compressed.
    out.compression = kind == "cluster" ? "lz4" : "zstd";
    front_ = std::make_unique<ClickHouseFront>(beside("penstock-engine"), beside("libchdb.so"),
                                               directory_ + "/engine", "a-secret-of-the-tests",
                                               out.cluster);
    out.urls = front_->url();
    out.password = "a-secret-of-the-tests";
    return out;
  }

  /// Lets the loop's timers and sockets have a turn.
  void turn() {
    std::promise<void> done;
    thread_.loop().post(
        [&] { thread_.loop().after(std::chrono::milliseconds(5), [&] { done.set_value(); }); });
    done.get_future().wait();
  }

  std::string directory_, database_ = "default";
  bool keep_ = false;
  std::unique_ptr<runtime::Runtime> runtime_ = runtime::make_real_runtime();
  runtime::LoopThread thread_{"store"};
  std::unique_ptr<ClickHouseFront> front_;
  std::unique_ptr<EventStore> store_;
  MemoryStore* memory_ = nullptr;
  int next_query_ = 0;
};

}  // namespace penstock::store::testing
