// Reading and filling the person store on PostgreSQL.
//
// Every table is read along its primary key, from a cursor that names the table and the last key.
#include <algorithm>
#include <array>

#include "persons/person_copy.h"
#include "persons/postgres/json_text.h"
#include "persons/postgres/schema.h"
#include "persons/postgres/session.h"
#include "persons/postgres/sql.h"

namespace penstock::persons {
namespace {

constexpr int64_t kVersionMin = 150'000;
constexpr int64_t kRowsMax = 1000;  // of one statement
constexpr char kBetween = '\x01';   // the parts of a key in a cursor
constexpr const char* kNoUuid = "00000000-0000-0000-0000-000000000000";

/// What a row says: a record, or a count of merges forgotten.
using Take = void (*)(const Rows&, int, PersonPiece&);

struct Table {
  char mark;  // in cursors
  const char* name;
  /// Columns behind the first, which is the row's key; $1… is the key to go on behind, as text.
  const char* sql;
  std::vector<std::string> first;  // a key below all others
  Take take;
};

template <typename Change>
void put(PersonPiece& out, const Change& change) {
  out.records.emplace_back();
  event::encode(change, out.records.back());
  out.bytes += out.records.back().size();
}

void put_raw(const Rows& rows, int row, PersonPiece& out) {
  out.records.emplace_back(rows.bytes(row, 1));
  out.bytes += out.records.back().size();
}

void take_person(const Rows& rows, int row, PersonPiece& out) {
  event::PersonChange p;
  p.project = {rows.number(row, 1)};
  p.id = rows.uuid(row, 2);
  p.version = static_cast<uint64_t>(rows.number(row, 3));
  const std::string properties = compact_json(rows.jsonb(row, 4));
  p.properties = properties;
  p.created_at_ms = rows.time_ms(row, 5);
  p.is_identified = rows.flag(row, 6);
  if (!rows.is_null(row, 7)) p.last_seen_at_ms = rows.time_ms(row, 7);
  p.stamps = rows.bytes(row, 8);
  put(out, p);
}

void take_tombstone(const Rows& rows, int row, PersonPiece& out) {
  event::PersonChange p;
  p.project = {rows.number(row, 1)};
  p.id = rows.uuid(row, 2);
  p.version = static_cast<uint64_t>(rows.number(row, 3));
  p.properties = "{}";
  p.is_deleted = true;
  put(out, p);
}

void take_id(const Rows& rows, int row, PersonPiece& out) {
  put(out, event::DistinctIdChange{{rows.number(row, 1)},
                                   rows.bytes(row, 2),
                                   rows.uuid(row, 3),
                                   rows.flag(row, 4),
                                   rows.number(row, 5),
                                   rows.number(row, 6)});
}

void take_group(const Rows& rows, int row, PersonPiece& out) {
  const std::string properties = compact_json(rows.jsonb(row, 4));
  put(out, event::GroupChange{{rows.number(row, 1)},
                              static_cast<uint8_t>(rows.number(row, 2)),
                              rows.bytes(row, 3),
                              properties,
                              rows.time_ms(row, 5),
                              static_cast<uint64_t>(rows.number(row, 6))});
}

void take_group_type(const Rows& rows, int row, PersonPiece& out) {
  put(out, event::GroupTypeChange{{rows.number(row, 1)},
                                  static_cast<uint8_t>(rows.number(row, 2)),
                                  rows.bytes(row, 3),
                                  rows.is_null(row, 4) ? 0 : rows.time_ms(row, 4)});
}

void take_forgotten(const Rows& rows, int row, PersonPiece& out) {
  out.forgotten.push_back({{rows.number(row, 1)}, rows.uuid(row, 2), rows.number(row, 3)});
  out.bytes += sizeof(ForgottenMerges);
}

const std::vector<Table>& tables() {
  static const std::vector<Table> all{
      {'p',
       "posthog_person",
       "SELECT id::text, team_id, uuid, coalesce(version, 0), properties, created_at, "
       "is_identified, last_seen_at, coalesce(penstock_stamps, '') FROM posthog_person "
       "WHERE id > $1::int8 ORDER BY id LIMIT ",
       {"0"},
       take_person},
      {'t',
       "penstock_person_tombstone",
       "SELECT concat_ws(E'\\x01', team_id, uuid), team_id, uuid, version FROM "
       "penstock_person_tombstone WHERE (team_id, uuid) > ($1::int4, $2::uuid) "
       "ORDER BY team_id, uuid LIMIT ",
       {"-1", kNoUuid},
       take_tombstone},
      {'d',
       "posthog_persondistinctid",
       "SELECT d.id::text, d.team_id, d.distinct_id::text, p.uuid, false, coalesce(d.version, 0), "
       "coalesce(d.penstock_attached_at, 0) FROM posthog_persondistinctid d JOIN posthog_person p "
       "ON p.id = d.person_id WHERE d.id > $1::int8 ORDER BY d.id LIMIT ",
       {"0"},
       take_id},
      {'a',
       "penstock_distinct_id_aside",
       "SELECT concat_ws(E'\\x01', team_id, distinct_id), team_id, distinct_id, person_uuid, "
       "is_deleted, version, attached_at FROM penstock_distinct_id_aside WHERE "
       "(team_id, distinct_id) > ($1::int4, $2) ORDER BY team_id, distinct_id LIMIT ",
       {"-1", ""},
       take_id},
      {'g',
       "posthog_group",
       "SELECT id::text, team_id, group_type_index, group_key::text, group_properties, created_at, "
       "version FROM posthog_group WHERE id > $1::int8 ORDER BY id LIMIT ",
       {"0"},
       take_group},
      {'y',
       "posthog_grouptypemapping",
       "SELECT id::text, project_id, group_type_index, group_type::text, created_at FROM "
       "posthog_grouptypemapping WHERE id > $1::int8 ORDER BY id LIMIT ",
       {"0"},
       take_group_type},
      {'m',
       "penstock_person_merge",
       "SELECT concat_ws(E'\\x01', team_id, result_uuid, time_ms, place, event_uuid), record FROM "
       "penstock_person_merge WHERE (team_id, result_uuid, time_ms, place, event_uuid) > "
       "($1::int4, $2::uuid, $3::int8, $4::int8, $5::uuid) "
       "ORDER BY team_id, result_uuid, time_ms, place, event_uuid LIMIT ",
       {"-1", kNoUuid, "0", "0", kNoUuid},
       put_raw},
      {'r',
       "penstock_person_command_report",
       "SELECT concat_ws(E'\\x01', team_id, id), record FROM penstock_person_command_report WHERE "
       "(team_id, id) > ($1::int4, $2::uuid) ORDER BY team_id, id LIMIT ",
       {"-1", kNoUuid},
       put_raw},
      {'f',
       "penstock_person_merges_forgotten",
       "SELECT concat_ws(E'\\x01', team_id, uuid), team_id, uuid, count FROM "
       "penstock_person_merges_forgotten WHERE (team_id, uuid) > ($1::int4, $2::uuid) "
       "ORDER BY team_id, uuid LIMIT ",
       {"-1", kNoUuid},
       take_forgotten}};
  return all;
}

/// The parts of a cursor behind its table; the last may hold anything.
std::vector<std::string> parts_of(std::string_view key, size_t count) {
  std::vector<std::string> out;
  while (out.size() + 1 < count) {
    const size_t at = std::min(key.find(kBetween), key.size());
    out.emplace_back(key.substr(0, at));
    key.remove_prefix(std::min(at + 1, key.size()));
  }
  out.emplace_back(key);
  return out;
}

class PostgresPersonCopy final : public PersonCopy {
 public:
  explicit PostgresPersonCopy(PostgresOptions options)
      : options_(std::move(options)),
        connection_(session_options(options_)),
        store_(make_postgres_person_store(options_)) {}

  Status check() override {
    PENSTOCK_CHECK(connection_.open());
    PENSTOCK_TRY(const Rows rows,
                 connection_.run("SELECT current_setting('server_version_num')::int8"));
    if (rows.size() == 1 && rows.number(0, 0) < kVersionMin) {
      return fail(Code::kInvalid, "PostgreSQL is version " +
                                      std::to_string(rows.number(0, 0) / 10'000) +
                                      "; 15 is the oldest that will do");
    }
    return migrate(connection_);
  }

  Result<bool> is_empty() override {
    PENSTOCK_CHECK(connection_.open());
    for (const Table& table : tables()) {
      PENSTOCK_TRY(
          const Rows rows,
          connection_.run(("SELECT 1 FROM " + std::string(table.name) + " LIMIT 1").c_str()));
      if (rows.size() > 0) return false;
    }
    return true;
  }

  Result<Size> size() override {
    PENSTOCK_CHECK(connection_.open());
    Size out;
    for (const Table& table : tables()) {
      PENSTOCK_TRY(const Rows rows,
                   connection_.run(("SELECT count(*), pg_total_relation_size('" +
                                    std::string(table.name) + "') FROM " + table.name)
                                       .c_str()));
      out.records += static_cast<uint64_t>(rows.number(0, 0));
      out.bytes += static_cast<uint64_t>(rows.number(0, 1));
    }
    return out;
  }

  Result<PersonPiece> read(const std::string& after, size_t bytes_max) override {
    PENSTOCK_CHECK(connection_.open());
    PersonPiece out;
    size_t at = 0;
    std::vector<std::string> key = tables().front().first;
    if (!after.empty()) {
      while (at < tables().size() && tables()[at].mark != after.front()) at++;
      if (at == tables().size()) return fail(Code::kInvalid, "a cursor names no table");
      key = parts_of(std::string_view(after).substr(1), tables()[at].first.size());
    }
    while (out.bytes < bytes_max) {
      const Table& table = tables()[at];
      Params params;
      for (const std::string& part : key) params.text(part);
      PENSTOCK_TRY(const Rows rows,
                   connection_.run((table.sql + std::to_string(kRowsMax)).c_str(), params));
      for (int row = 0; row < rows.size(); row++) table.take(rows, row, out);
      if (rows.size() == kRowsMax) {
        const std::string_view last = rows.bytes(rows.size() - 1, 0);
        out.next = table.mark + std::string(last);
        key = parts_of(last, table.first.size());
        continue;
      }
      if (++at == tables().size()) {
        out.next.clear();
        return out;
      }
      key = tables()[at].first;
      out.next = tables()[at].mark;
      for (size_t i = 0; i < key.size(); i++) out.next += (i > 0 ? "\x01" : "") + key[i];
    }
    return out;
  }

  Status write(const PersonPiece& piece) override {
    PENSTOCK_TRY(const PersonUpdates updates,
                 PersonUpdates::of({piece.records.begin(), piece.records.end()}));
    PENSTOCK_CHECK(store_->apply(updates, {}));
    if (piece.forgotten.empty()) return {};
    ArrayWriter teams(ArrayOf::kInt8), uuids(ArrayOf::kUuid), counts(ArrayOf::kInt8);
    for (const ForgottenMerges& f : piece.forgotten) {
      teams.add(f.project.value);
      uuids.add(f.person);
      counts.add(f.count);
    }
    Params params;
    params.array(teams).array(uuids).array(counts);
    PENSTOCK_CHECK(connection_.open());
    PENSTOCK_CHECK(connection_.run(
        "INSERT INTO penstock_person_merges_forgotten (team_id, uuid, count) SELECT * FROM "
        "unnest($1::int8[], $2::uuid[], $3::int8[]) ON CONFLICT (team_id, uuid) DO UPDATE "
        "SET count = excluded.count",
        params));
    return {};
  }

  Result<std::vector<log::Position>> positions() override {
    PENSTOCK_CHECK(connection_.open());
    Params params;
    params.text(options_.source);
    PENSTOCK_TRY(const Rows rows, connection_.run(sql::kPositions, params));
    std::vector<log::Position> out;
    for (int i = 0; i < rows.size(); i++) {
      out.push_back({{static_cast<int32_t>(rows.number(i, 0))}, {rows.number(i, 1)}});
    }
    return out;
  }

  Status finish(const std::vector<log::Position>& positions) override {
    return store_->apply({}, positions);
  }

 private:
  const PostgresOptions options_;
  Connection connection_;
  std::unique_ptr<PersonStore> store_;
};

}  // namespace

std::unique_ptr<PersonCopy> make_postgres_person_copy(PostgresOptions options) {
  return std::make_unique<PostgresPersonCopy>(std::move(options));
}

}  // namespace penstock::persons
