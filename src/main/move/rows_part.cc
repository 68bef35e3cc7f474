// Rows: the embedded engine, a ClickHouse server. Both are asked in SQL; rows travel as RowBinary.
//
// A table is read group by group (partition, project, day) and within a group along its key, so
// that a piece is found by the index and can be read again after a crash. Each piece is inserted
// under a token of its own: inserted twice, it is stored once.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <future>
#include <iterator>
#include <sstream>
#include <thread>

#include "base/hash.h"
#include "main/move/part.h"
#include "main/on_loop.h"
#include "main/store_engine.h"
#include "runtime/real_runtime.h"
#include "store/clickhouse_store.h"
#include "store/table_access.h"

namespace penstock::cli::move {
namespace {

using store::CarriedTable;
using store::TableKey;
using Texts = std::vector<std::string>;

constexpr auto kReadyWait = std::chrono::seconds(60), kServerWait = std::chrono::seconds(15);
constexpr auto kLook = std::chrono::milliseconds(50);
constexpr int kTriesMax = 6;  // of a piece, while the server is away
constexpr auto kPause = std::chrono::seconds(1);
constexpr int64_t kRowsMin = 1, kRowsMax = 500'000;
constexpr size_t kPieceFactor = 4;  // rows come in larger pieces than other things

Texts split(std::string_view text, char by) {
  Texts out;
  while (true) {
    const size_t at = text.find(by);
    out.emplace_back(text.substr(0, at));
    if (at == std::string_view::npos) return out;
    text.remove_prefix(at + 1);
  }
}

/// A value as TSV has it, which is how a literal escapes it, too.
std::string literal(const TableKey& key, const std::string& text) {
  return fmt::format("{}('{}')", key.from_text, text);
}

std::string expressions(const std::vector<TableKey>& keys, std::string_view around = "{}") {
  std::string out;
  for (const TableKey& key : keys) {
    if (!out.empty()) out += ", ";
    out += fmt::format(fmt::runtime(around), key.expression);
  }
  return out;
}

/// (k1, k2) <compare> (v1, v2)
std::string compared(const CarriedTable& table, std::string_view compare, const Texts& values) {
  if (table.keys.size() == 1) {  // plainly, so that the index is used
    return fmt::format("{} {} {}", table.keys[0].expression, compare,
                       literal(table.keys[0], values[0]));
  }
  std::string literals;
  for (size_t i = 0; i < table.keys.size(); i++) {
    literals += (i > 0 ? ", " : "") + literal(table.keys[i], values[i]);
  }
  return fmt::format("tuple({}) {} tuple({})", expressions(table.keys), compare, literals);
}

/// One side: a store on the loop, asked from here.
class Side {
 public:
  /// `cluster`: of a ClickHouse store; empty: one server, or the embedded engine.
  Side(runtime::LoopThread& thread, std::unique_ptr<store::EventStore> store, std::string database,
       std::string cluster)
      : thread_(thread),
        store_(std::move(store)),
        access_(store::table_access(*store_)),
        database_(std::move(database)),
        cluster_(std::move(cluster)) {}
  ~Side() {
    store_->stop();
    on_loop(thread_, [&] { store_.reset(); });
  }
  Side(const Side&) = delete;
  Side& operator=(const Side&) = delete;

  Status start(std::chrono::steady_clock::duration patience) {
    Status started;
    on_loop(thread_, [&] { started = store_->start(); });
    PENSTOCK_CHECK(started);
    const auto deadline = std::chrono::steady_clock::now() + patience;
    while (!store_->health().ready) {
      if (std::chrono::steady_clock::now() > deadline) {
        return fail(Code::kUnavailable, store_->health().detail);
      }
      std::this_thread::sleep_for(kLook);
    }
    return {};
  }

  /// As statements name it here.
  std::string of(const CarriedTable& table) const { return store::whole_table(table, cluster_); }
  Status empty(const CarriedTable& table) {
    return run(store::empty_table(table, database_, cluster_));
  }
  /// What one replica has is on all of them.
  Status settle(const CarriedTable& table) {
    const std::string sql = store::settle_table(table, database_, cluster_);
    return sql.empty() ? Status{} : run(sql);
  }
  /// Rows, bytes, bytes on the disk; of a cluster of one replica per shard.
  std::string size_of(const CarriedTable& table) const {
    const bool shards = !cluster_.empty() && table.sharded;
    const std::string parts =
        shards ? fmt::format("cluster('{}', system.parts)", cluster_) : "system.parts";
    const bool prefixed = !shards || table.name.starts_with("sharded_");
    return fmt::format(
        "SELECT sum(rows), sum(data_uncompressed_bytes), sum(bytes_on_disk) FROM {} WHERE active "
        "AND database = '{}' AND table = '{}{}'",
        parts, database_, prefixed ? "" : "sharded_", table.name);
  }

  /// TSV, without the line's end after the last row.
  Result<std::string> ask(const std::string& sql) {
    PENSTOCK_TRY(std::string out,
                 call([&](auto done) { access_->ask(sql, "TSV", std::move(done)); }));
    if (out.ends_with('\n')) out.pop_back();
    return out;
  }
  Result<std::string> rows(const std::string& sql) {
    return call([&](auto done) { access_->ask(sql, "RowBinary", std::move(done)); });
  }
  /// Repeated while the answer leaves open what became of it, or nobody answers.
  Status put(const std::string& sql, const std::string& rows) {
    for (int tries = 1;; tries++) {
      const auto done = call([&](auto answer) { access_->put(sql, rows, std::move(answer)); });
      if (done) return {};
      const Code code = done.error().code;
      const bool again = code == Code::kMaybe || code == Code::kUnavailable || code == Code::kBusy;
      if (!again || tries == kTriesMax) return std::unexpected(done.error());
      std::this_thread::sleep_for(kPause * tries);
    }
  }

 private:
  template <typename Begin>
  Result<std::string> call(Begin begin) {
    std::promise<Result<std::string>> promise;
    thread_.loop().post([&] {
      begin([&promise](Result<std::string> answer) { promise.set_value(std::move(answer)); });
    });
    return promise.get_future().get();
  }

  /// Of statements that answer nothing and take no FORMAT; each may be run again.
  Status run(const std::string& sql) { return put(sql, ""); }

  runtime::LoopThread& thread_;
  std::unique_ptr<store::EventStore> store_;
  store::TableAccess* access_;
  const std::string database_, cluster_;
};

struct Column {
  std::string name, type;
  bool operator==(const Column&) const = default;
};

/// Those that are stored and not computed.
Result<std::vector<Column>> columns_of(Side& side, const CarriedTable& table) {
  PENSTOCK_TRY(const std::string lines,
               side.ask(fmt::format("SELECT name, type FROM system.columns WHERE database = "
                                    "currentDatabase() AND table = '{}' AND default_kind NOT IN "
                                    "('ALIAS', 'MATERIALIZED') ORDER BY name",
                                    side.of(table))));
  std::vector<Column> out;
  for (const std::string& line : split(lines, '\n')) {
    const Texts parts = split(line, '\t');
    if (parts.size() == 2) out.push_back({parts[0], parts[1]});
  }
  return out;
}

std::string names_of(const std::vector<Column>& columns) {
  std::string out;
  for (const Column& c : columns) out += (out.empty() ? "`" : ", `") + c.name + "`";
  return out;
}

class RowsPart final : public Part {
 public:
  explicit RowsPart(Moving& moving) : moving_(moving) { thread_.start(); }
  ~RowsPart() override {
    source_.reset();
    target_.reset();
    thread_.stop();
    thread_.join();
  }

  std::string name() const override { return "rows"; }
  std::string from() const override { return moving_.out ? "embedded" : "clickhouse"; }
  std::string to() const override { return moving_.out ? "clickhouse" : "embedded"; }
  std::string option() const override { return "store.engine"; }
  std::string target() const override {
    const auto& c = moving_.settings.clickhouse;
    return moving_.out ? fmt::format("{:016x}", hash64(c.urls + "\n" + c.database + c.cluster))
                       : moving_.data_dir + "/store";
  }

  Status check(bool ours) override {
    const auto& options = moving_.settings.clickhouse;
    if (options.urls.empty()) {
      return fail(Code::kInvalid, "store.clickhouse_urls is not set: name the server there");
    }
    PENSTOCK_CHECK(moving_.settled());
    PENSTOCK_TRY(auto server,
                 store::make_clickhouse_store(moving_.runtime, thread_.loop(), options));
    Settings embedded_ones = moving_.settings;
    embedded_ones.store_engine = "embedded";
    PENSTOCK_TRY(auto engine,
                 make_store(embedded_ones, moving_.runtime, thread_, moving_.data_dir));
    auto& outside = moving_.out ? target_ : source_;
    auto& inside = moving_.out ? source_ : target_;
    outside = std::make_unique<Side>(thread_, std::move(server), options.database, options.cluster);
    inside = std::make_unique<Side>(thread_, std::move(engine), "default", "");
    if (Status s = outside->start(kServerWait); !s) return fail(s.error(), "store.clickhouse_urls");
    if (Status s = inside->start(kReadyWait); !s) return fail(s.error(), "the embedded engine");
    for (const CarriedTable& table : store::carried_tables()) {
      PENSTOCK_TRY(auto here, columns_of(*source_, table));
      PENSTOCK_TRY(const auto there, columns_of(*target_, table));
      if (here.empty() || here != there) {
        return fail(Code::kConflict,
                    fmt::format("the table {} has other columns on the two sides", table.name));
      }
      columns_.push_back(std::move(here));
      if (ours) continue;
      PENSTOCK_TRY(const std::string count,
                   target_->ask(fmt::format("SELECT count() FROM {}", target_->of(table))));
      if (count == "0") continue;
      return fail(Code::kConflict,
                  moving_.out
                      ? fmt::format("the table {} of store.clickhouse_database has rows already; "
                                    "name a database of its own",
                                    table.name)
                      : fmt::format("there are rows in {0}/store already; put it aside first: mv "
                                    "{0}/store {0}/store.before",
                                    moving_.data_dir));
    }
    return {};
  }

  /// What was loaded and squashed last.
  Result<std::string> source_state() override {
    uint64_t sum = 0;
    for (const char* file : {"/state/load.intent", "/state/squash"}) {
      std::ifstream in(moving_.data_dir + file, std::ios::binary);
      sum = hash64(std::string(std::istreambuf_iterator<char>(in), {}), sum);
    }
    for (const CarriedTable& table : store::carried_tables()) {
      PENSTOCK_CHECK(source_->settle(table));  // whichever replica is asked
    }
    PENSTOCK_TRY(const std::string erased, source_->ask("SELECT count() FROM penstock_erasures"));
    return fmt::format("{:016x} {}", sum, erased);
  }

  Result<uint64_t> bytes_needed() override {
    uint64_t disk = 0;
    for (const CarriedTable& table : store::carried_tables()) {
      PENSTOCK_TRY(const std::string line, source_->ask(source_->size_of(table)));
      std::istringstream in(line);
      uint64_t rows = 0, bytes = 0, on_disk = 0;
      in >> rows >> bytes >> on_disk;
      rows_.push_back({rows, bytes});
      rows_total_ += rows;
      bytes_total_ += bytes;
      disk += on_disk;
    }
    return disk;
  }

  Status copy(PartNote& note) override {
    if (note.cursor.empty()) {
      note.items = note.bytes = 0;
      note.digest = fmt::format("{:016x}", moving_.runtime.random().next());  // of its tokens
      for (const CarriedTable& table : store::carried_tables()) {
        PENSTOCK_TRY(const std::string count,
                     target_->ask(fmt::format("SELECT count() FROM {}", target_->of(table))));
        if (count != "0") PENSTOCK_CHECK(target_->empty(table));
      }
    }
    moving_.progress.begin(name(), "copying", rows_total_, bytes_total_, note.items, note.bytes);
    const Texts cursor = note.cursor.empty() ? Texts{} : split(note.cursor, '\t');
    const auto& tables = store::carried_tables();
    for (size_t at = 0; at < tables.size(); at++) {
      if (!cursor.empty() && tables[at].name != cursor.front() && !passed_) continue;
      const Texts after = passed_ ? Texts{} : cursor;
      PENSTOCK_CHECK(copy_table(at, after, note));
      passed_ = true;
    }
    note.copied = true;
    return {};
  }

  Result<std::string> compare(PartNote& note) override {
    moving_.progress.begin(name(), "comparing", note.items, note.bytes);
    std::string said;
    const auto& tables = store::carried_tables();
    for (size_t at = 0; at < tables.size(); at++) {
      PENSTOCK_CHECK(target_->settle(tables[at]));
      PENSTOCK_TRY(const std::string here, source_->ask(digest_sql(*source_, at)));
      PENSTOCK_TRY(const std::string there, target_->ask(digest_sql(*target_, at)));
      if (here != there) {
        return fail(
            Code::kCorrupt,
            fmt::format("the table {} is not the same: {} has {} rows, {} has {}", tables[at].name,
                        from(), split(here, '\t').front(), to(), split(there, '\t').front()));
      }
      moving_.progress.add(rows_[at].rows, rows_[at].bytes);
      const std::string count = split(here, '\t').front();
      if (count != "0") {
        said += fmt::format("{}{} {}", said.empty() ? "" : ", ", count, tables[at].name);
      }
    }
    return said.empty() ? "no rows" : said;
  }

  Status finish() override { return {}; }

 private:
  struct Size {
    uint64_t rows = 0, bytes = 0;
  };

  /// `after`: table, partition, groups, keys; or empty.
  Status copy_table(size_t at, const Texts& after, PartNote& note) {
    const CarriedTable& table = store::carried_tables()[at];
    std::string order = "_partition_id";
    for (size_t i = 0; i < table.groups.size(); i++) order += fmt::format(", {}", i + 2);
    PENSTOCK_TRY(const std::string lines,
                 source_->ask(fmt::format("SELECT _partition_id{} FROM {} GROUP BY ALL ORDER BY {}",
                                          groups_list(table), source_->of(table), order)));
    if (lines.empty()) return {};
    const size_t width = table.groups.size() + 1;
    bool waiting = !after.empty();
    for (const std::string& line : split(lines, '\n')) {
      const Texts group = split(line, '\t');
      Texts key;
      if (waiting) {
        if (!std::equal(group.begin(), group.end(), after.begin() + 1)) continue;
        waiting = false;
        key.assign(after.begin() + 1 + static_cast<std::ptrdiff_t>(width), after.end());
      }
      PENSTOCK_CHECK(copy_group(at, group, std::move(key), note));
    }
    if (waiting) return fail(Code::kCorrupt, "what was copied last is not there any more");
    return {};
  }

  static std::string groups_list(const CarriedTable& table) {
    std::string out;
    for (const TableKey& key : table.groups) out += fmt::format(", toString({})", key.expression);
    return out;
  }

  Status copy_group(size_t at, const Texts& group, Texts key, PartNote& note) {
    const CarriedTable& table = store::carried_tables()[at];
    std::string where = fmt::format("_partition_id = '{}'", group.front());
    for (size_t i = 0; i < table.groups.size(); i++) {
      where += fmt::format(" AND {} = {}", table.groups[i].expression,
                           literal(table.groups[i], group[i + 1]));
    }
    const uint64_t each = rows_[at].bytes / std::max<uint64_t>(rows_[at].rows, 1) + 1;
    const int64_t rows = std::clamp(static_cast<int64_t>(moving_.piece_bytes * kPieceFactor / each),
                                    kRowsMin, kRowsMax);
    const std::string list = names_of(columns_[at]);
    for (bool more = true; more;) {
      std::string piece = where;
      if (!key.empty()) piece += " AND " + compared(table, ">", key);
      PENSTOCK_TRY(
          const std::string end,
          source_->ask(fmt::format("SELECT 1, {} FROM {} WHERE {} ORDER BY {} LIMIT 1 "
                                   "OFFSET {}",
                                   expressions(table.keys, "toString({})"), source_->of(table),
                                   piece, expressions(table.keys), rows - 1)));
      more = !end.empty();
      if (more) {
        key = split(end, '\t');
        key.erase(key.begin());
        piece += " AND " + compared(table, "<=", key);
      }
      PENSTOCK_TRY(const std::string bytes,
                   source_->rows(
                       fmt::format("SELECT {} FROM {} WHERE {}", list, source_->of(table), piece)));
      if (bytes.empty()) continue;
      PENSTOCK_TRY(
          const std::string count,
          source_->ask(fmt::format("SELECT count() FROM {} WHERE {}", source_->of(table), piece)));
      PENSTOCK_CHECK(put(table, list, piece, bytes, note));
      note.items += std::strtoull(count.c_str(), nullptr, 10);
      note.bytes += bytes.size();
      if (more) {
        note.cursor = std::string(table.name);
        for (const std::string& value : group) note.cursor += "\t" + value;
        for (const std::string& value : key) note.cursor += "\t" + value;
        PENSTOCK_CHECK(moving_.journal.save());
      }
      moving_.progress.add(std::strtoull(count.c_str(), nullptr, 10), bytes.size());
    }
    return {};
  }

  Status put(const CarriedTable& table, const std::string& list, const std::string& piece,
             const std::string& bytes, const PartNote& note) {
    return target_->put(
        fmt::format("INSERT INTO {} ({}) SETTINGS insert_deduplication_token='move:{}:{}:{:016x}', "
                    "insert_deduplicate=1, async_insert=0, "
                    "throw_on_max_partitions_per_insert_block=0",
                    target_->of(table), list, note.digest, table.name, hash64(piece)),
        bytes);
  }

  std::string digest_sql(const Side& side, size_t at) const {
    const CarriedTable& table = store::carried_tables()[at];
    std::string values;
    for (const Column& c : columns_[at]) {
      if (!values.empty()) values += ", ";
      values += c.type.find("Nullable") == std::string::npos
                    ? fmt::format("`{}`", c.name)
                    : fmt::format("isNull(`{0}`), ifNull(toString(`{0}`), '')", c.name);
    }
    return fmt::format(
        "SELECT count(), sum(h), groupBitXor(h) FROM (SELECT cityHash64({}) AS h FROM {}{}{}{})",
        values, side.of(table), table.replaces ? " FINAL" : "", table.kept.empty() ? "" : " WHERE ",
        table.kept);
  }

  Moving& moving_;
  runtime::LoopThread thread_{"move"};
  std::unique_ptr<Side> source_, target_;
  std::vector<std::vector<Column>> columns_;  // of carried_tables, in their order
  std::vector<Size> rows_;
  uint64_t rows_total_ = 0, bytes_total_ = 0;
  bool passed_ = false;  // the cursor
};

}  // namespace

std::unique_ptr<Part> make_rows_part(Moving& moving) { return std::make_unique<RowsPart>(moving); }

}  // namespace penstock::cli::move
