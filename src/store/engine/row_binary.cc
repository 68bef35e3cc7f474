#include "store/engine/row_binary.h"

#include <fmt/format.h>

#include "base/codec.h"

namespace penstock::store {
namespace {

void uuid(ByteWriter& w, const Uuid& u) {
  // The engine keeps a UUID as two little-endian halves.
  for (size_t half = 0; half < 16; half += 8) {
    for (size_t i = 8; i > 0; i--) w.u8(u.bytes[half + i - 1]);
  }
}

std::string statement(std::string_view table, std::string_view columns, std::string_view id) {
  return fmt::format("INSERT INTO {} ({}) SETTINGS insert_deduplication_token='{}:{}' FORMAT RowBinary",
                     table, columns, id, table);
}

TableInsert events(const InsertBatch& batch, uint32_t now_s) {
  TableInsert out;
  out.sql = statement("events",
                      "uuid,event,properties,timestamp,team_id,distinct_id,elements_chain,"
                      "created_at,person_id,person_created_at,person_properties,person_mode,"
                      "_timestamp", batch.id);
  ByteWriter w(out.rows);
  for (const InsertBatch::EventEntry& e : batch.events) {
    uuid(w, e.uuid);
    w.bytes(e.row.event);
    w.bytes(e.row.properties);
    w.i64(e.row.timestamp_ms * 1000);
    w.i64(e.project.value);
    w.bytes(e.row.distinct_id);
    w.bytes(e.row.elements_chain);
    w.i64(e.row.created_at_ms * 1000);
    uuid(w, e.row.person_id);
    w.i64(e.row.person_created_at_ms);
    w.bytes(e.row.person_properties);
    w.u8(static_cast<uint8_t>(e.row.person_mode));
    w.u32(now_s);
  }
  return out;
}

TableInsert persons(const InsertBatch& batch, uint32_t now_s) {
  TableInsert out;
  out.sql = statement("person", "id,created_at,team_id,properties,is_identified,is_deleted,version,"
                                "_timestamp", batch.id);
  ByteWriter w(out.rows);
  for (const event::PersonChange& p : batch.persons) {
    uuid(w, p.id);
    w.i64(p.created_at_ms);
    w.i64(p.project.value);
    w.bytes(p.properties);
    w.u8(p.is_identified ? 1 : 0);
    w.u8(p.is_deleted ? 1 : 0);
    w.u64(p.version);
    w.u32(now_s);
  }
  return out;
}

TableInsert distinct_ids(const InsertBatch& batch, uint32_t now_s, bool overrides) {
  TableInsert out;
  out.sql = statement(overrides ? "person_distinct_id_overrides" : "person_distinct_id2",
                      "team_id,distinct_id,person_id,is_deleted,version,_timestamp", batch.id);
  ByteWriter w(out.rows);
  for (const event::DistinctIdChange& d : batch.distinct_ids) {
    if (overrides && d.version <= 0) continue;
    w.i64(d.project.value);
    w.bytes(d.distinct_id);
    uuid(w, d.person_id);
    w.u8(d.is_deleted ? 1 : 0);
    w.i64(d.version);
    w.u32(now_s);
  }
  return out;
}

TableInsert warnings(const InsertBatch& batch, uint32_t now_s) {
  TableInsert out;
  out.sql = statement("ingestion_warnings", "team_id,source,type,details,timestamp,_timestamp",
                      batch.id);
  ByteWriter w(out.rows);
  for (const event::IngestionWarning& i : batch.warnings) {
    w.i64(i.project.value);
    w.bytes(i.source);
    w.bytes(i.type);
    w.bytes(i.details);
    w.i64(i.timestamp_ms * 1000);
    w.u32(now_s);
  }
  return out;
}

}  // namespace

std::vector<TableInsert> encode_inserts(const InsertBatch& batch, int64_t now_ms) {
  const auto now_s = static_cast<uint32_t>(now_ms / 1000);
  std::vector<TableInsert> out;
  for (TableInsert& table : std::vector<TableInsert>{
           events(batch, now_s), persons(batch, now_s), distinct_ids(batch, now_s, false),
           distinct_ids(batch, now_s, true), warnings(batch, now_s)}) {
    if (!table.rows.empty()) out.push_back(std::move(table));
  }
  return out;
}

}  // namespace penstock::store
