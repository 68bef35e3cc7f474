#include "persons/postgres/postgres_person_store.h"

#include <algorithm>

#include "base/diag.h"
#include "persons/postgres/json_text.h"
#include "persons/postgres/schema.h"
#include "persons/postgres/sql.h"

namespace penstock::persons {
namespace {

/// The columns of kFetch and kGet.
Person read_person(const Rows& rows, int row, ProjectId project) {
  Person p;
  p.project = project;
  p.id = rows.uuid(row, 1);
  p.properties = compact_json(rows.jsonb(row, 2));
  p.created_at_ms = rows.time_ms(row, 3);
  p.is_identified = rows.flag(row, 4);
  p.version = static_cast<uint64_t>(rows.number(row, 5));
  if (!rows.is_null(row, 6)) p.last_seen_at_ms = rows.time_ms(row, 6);
  p.stamps = rows.bytes(row, 7);
  p.attached_at_ms = rows.number(row, 8);
  return p;
}

/// A process that stands still in the middle of a change holds it no longer than a statement may.
postgres::SessionOptions written_by(const PostgresOptions& options) {
  postgres::SessionOptions out = session_options(options);
  out.set_up +=
      "; SET idle_in_transaction_session_timeout = " + std::to_string(options.statement_ms);
  return out;
}

}  // namespace

std::unique_ptr<PersonStore> make_postgres_person_store(PostgresOptions options) {
  return std::make_unique<PostgresPersonStore>(std::move(options));
}

PostgresPersonStore::PostgresPersonStore(PostgresOptions options)
    : options_(std::move(options)), connection_(written_by(options_)) {}

PostgresPersonStore::~PostgresPersonStore() = default;

Status PostgresPersonStore::load_positions() const {
  Params params;
  params.text(options_.source);
  PENSTOCK_TRY(const Rows rows, connection_.run(sql::kPositions, params));
  log::Positions stored;
  for (int i = 0; i < rows.size(); i++) {
    stored[static_cast<int32_t>(rows.number(i, 0))] = rows.number(i, 1);
  }
  for (const auto& [partition, next] : applied_) {
    const auto it = stored.find(partition);
    if (next > 0 && (it == stored.end() || it->second < next)) caught_up_ = false;
  }
  // A commit whose answer was lost took effect or did not; what the database says is what counts.
  applied_ = std::move(stored);
  PENSTOCK_TRY(deleted_in_, load_deleted_in(connection_));
  return {};
}

Status PostgresPersonStore::open_session() const {
  PENSTOCK_TRY(const bool fresh, connection_.open());
  if (!fresh) return {};
  Status s;
  if (!migrated_) s = migrate(connection_);
  if (s) s = load_positions();
  if (!s) {
    connection_.close();
    return s;
  }
  migrated_ = true;
  return {};
}

Status PostgresPersonStore::ready() const {
  PENSTOCK_CHECK(open_session());
  return caught_up_ ? Status{} : catch_up();
}

/// Finds out whether anything is missing, and has it replayed.
Status PostgresPersonStore::catch_up() const {
  if (log_ == nullptr || home_ == nullptr) {
    caught_up_ = true;
    return {};
  }
  if (replaying_) return fail(Code::kUnavailable, "persons are being replayed into PostgreSQL");
  PENSTOCK_TRY(const auto bounds, log_->bounds(std::string(event::kTopicProcessed)));
  const bool differs = std::ranges::any_of(bounds, [&](const log::PartitionBounds& b) {
    if (!decides(b.partition)) return false;
    const auto it = applied_.find(b.partition.value);
    return b.end.value != (it == applied_.end() ? b.start.value : it->second);
  });
  if (!differs) {
    caught_up_ = true;
    return {};
  }
  replaying_ = true;
  const std::weak_ptr<int> guard = alive_;
  home_->post([this, guard] {
    if (guard.expired()) return;
    replay([this, guard](const Status& status) {
      if (guard.expired()) return;
      if (!status)
        diag::warn("persons are behind in PostgreSQL", {{"error", status.error().message}});
    });
  });
  return fail(Code::kUnavailable, "PostgreSQL lacks persons that the log has; they are replayed");
}

/// On the home loop.
void PostgresPersonStore::replay(Done done) const {
  log::replay(*log_, *home_, std::string(event::kTopicProcessed),
              {.name = "persons in PostgreSQL",
               .mutex = mutex_,
               .applied = applied_,
               .keep = [this]() -> Status {
                 PENSTOCK_CHECK(open_session());
                 log::Positions ours = applied_;
                 std::erase_if(ours, [this](const auto& p) { return !decides({p.first}); });
                 return put_positions(ours);
               },
               .apply = [this](const auto& records, const auto& next) -> Status {
                 PENSTOCK_TRY(const PersonUpdates updates, PersonUpdates::of(records));
                 const std::lock_guard lock(mutex_);
                 PENSTOCK_CHECK(open_session());
                 return write(updates, next);
               },
               .only = options_.decides},
              [this, done = std::move(done)](Status end) mutable {
                {
                  const std::lock_guard lock(mutex_);
                  replaying_ = false;
                  caught_up_ = end.has_value();
                }
                done(std::move(end));
              });
}

/// A server that is not there does not hold up the start: events are taken meanwhile.
void PostgresPersonStore::recover(log::Log& log, runtime::Loop& home, Done done) {
  log_ = &log;
  home_ = &home;
  Status status;
  {
    const std::lock_guard lock(mutex_);
    caught_up_ = false;
    status = open_session();
    if (!status) {
      const Code code = status.error().code;
      if (code == Code::kUnavailable || code == Code::kTimeout) {
        diag::warn("starts without PostgreSQL; events wait in the log",
                   {{"error", status.error().message}});
        status = {};
      }
      home.post([done = std::move(done), status = std::move(status)]() mutable { done(status); });
      return;
    }
    replaying_ = true;
  }
  replay(std::move(done));
}

Status PostgresPersonStore::caught_up() const {
  const std::lock_guard lock(mutex_);
  return ready();
}

Result<std::vector<std::optional<Person>>> PostgresPersonStore::fetch(
    const std::vector<DistinctIdKey>& keys) const {
  std::vector<std::optional<Person>> out(keys.size());
  if (keys.empty()) return out;
  ArrayWriter projects(ArrayOf::kInt8), ids(ArrayOf::kText);
  for (const DistinctIdKey& key : keys) {
    projects.add(key.project.value);
    ids.add(std::string_view(to_postgres_text(key.distinct_id)));
  }
  Params params;
  params.array(projects).array(ids);
  const std::lock_guard lock(mutex_);
  PENSTOCK_CHECK(ready());
  PENSTOCK_TRY(const Rows rows, connection_.run(sql::kFetch, params));
  for (int i = 0; i < rows.size(); i++) {
    const auto at = static_cast<size_t>(rows.number(i, 0) - 1);
    if (at < out.size()) out[at] = read_person(rows, i, keys[at].project);
  }
  return out;
}

/// A connection for one read; given back when it is done.
class PostgresPersonStore::Reader {
 public:
  explicit Reader(const PostgresPersonStore& store) : store_(store) {
    const std::lock_guard lock(store_.readers_mutex_);
    if (store_.readers_out_ >= store_.options_.readers_max) return;
    store_.readers_out_++;
    if (store_.readers_.empty()) {
      connection_ = std::make_unique<Connection>(session_options(store_.options_));
    } else {
      connection_ = std::move(store_.readers_.back());
      store_.readers_.pop_back();
    }
  }
  ~Reader() {
    if (connection_ == nullptr) return;
    const std::lock_guard lock(store_.readers_mutex_);
    store_.readers_out_--;
    // One that failed is kept too: it knows when to try again.
    store_.readers_.push_back(std::move(connection_));
  }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  Connection* get() { return connection_.get(); }

 private:
  const PostgresPersonStore& store_;
  std::unique_ptr<Connection> connection_;
};

Result<Rows> PostgresPersonStore::read(const char* statement, const Params& params) const {
  if (!migrated_) {
    const std::lock_guard lock(mutex_);
    PENSTOCK_CHECK(open_session());
  }
  Reader reader(*this);
  if (reader.get() == nullptr) {
    return fail(Code::kBusy, "every connection to PostgreSQL for reads is in use");
  }
  // A session that ended while it was idle says so at the first statement only.
  for (int attempt = 0;; attempt++) {
    PENSTOCK_TRY(const bool fresh, reader.get()->open());
    auto rows = reader.get()->run(statement, params);
    if (rows || fresh || reader.get()->is_open() || attempt > 0 ||
        rows.error().code == Code::kTimeout) {
      return rows;
    }
  }
}

Result<std::optional<Person>> PostgresPersonStore::get(ProjectId project, const Uuid& id) const {
  Params params;
  params.number(project.value).uuid(id);
  PENSTOCK_TRY(const Rows rows, read(sql::kGet, params));
  if (rows.size() == 0) return std::nullopt;
  return read_person(rows, 0, project);
}

Result<std::vector<Mapping>> PostgresPersonStore::mappings(ProjectId project, const Uuid& id,
                                                           size_t ids_max,
                                                           std::string_view after) const {
  Params params;
  params.number(project.value).uuid(id).number(static_cast<int64_t>(ids_max));
  params.text(to_postgres_text(after));
  PENSTOCK_TRY(const Rows rows, read(sql::kMappings, params));
  std::vector<Mapping> out;
  for (int i = 0; i < rows.size(); i++) {
    out.push_back({std::string(rows.bytes(i, 0)), rows.number(i, 1), rows.number(i, 2)});
  }
  return out;
}

Result<std::vector<std::string>> PostgresPersonStore::distinct_ids(ProjectId project,
                                                                   const Uuid& id,
                                                                   size_t ids_max) const {
  PENSTOCK_TRY(auto found, mappings(project, id, ids_max, {}));
  std::vector<std::string> out;
  for (Mapping& m : found) out.push_back(std::move(m.distinct_id));
  return out;
}

Result<std::vector<FoundId>> PostgresPersonStore::find_ids(ProjectId project,
                                                           std::string_view prefix,
                                                           size_t ids_max) const {
  Params params;
  params.number(project.value).text(to_postgres_text(prefix));
  params.number(static_cast<int64_t>(ids_max));
  PENSTOCK_TRY(const Rows rows, read(sql::kFindIds, params));
  std::vector<FoundId> out;
  for (int i = 0; i < rows.size(); i++) {
    out.push_back({std::string(rows.bytes(i, 0)), rows.uuid(i, 1), rows.number(i, 2)});
  }
  return out;
}

Result<uint64_t> PostgresPersonStore::count(ProjectId project) const {
  Params params;
  params.number(project.value);
  PENSTOCK_TRY(const Rows rows, read(sql::kCount, params));
  return static_cast<uint64_t>(rows.size() == 0 ? 0 : rows.number(0, 0));
}

std::vector<log::Position> PostgresPersonStore::applied() const {
  const std::lock_guard lock(mutex_);
  std::vector<log::Position> out;
  for (const auto& [partition, next] : applied_) out.push_back({{partition}, {next}});
  return out;
}

Status PostgresPersonStore::apply(const PersonUpdates& updates,
                                  const std::vector<log::Position>& applied) {
  const std::lock_guard lock(mutex_);
  PENSTOCK_CHECK(ready());
  return write(updates, applied);
}

Status PostgresPersonStore::checkpoint(log::Log& log) {
  std::vector<log::Position> durable;
  {
    const std::lock_guard lock(mutex_);
    if (!unflushed_) return {};
    unflushed_ = false;
    for (const auto& [partition, next] : applied_) durable.push_back({{partition}, {next}});
  }
  // A commit of PostgreSQL is durable.
  return log.commit(std::string(event::kGroupPersons), std::string(event::kTopicProcessed),
                    std::move(durable));
}

}  // namespace penstock::persons
