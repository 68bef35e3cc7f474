#include "store/dialect/row_binary.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "base/codec.h"

namespace penstock::store {
namespace {

constexpr size_t kFixedBytesPerRow = 128;  // what an event's row takes beside its texts, generously

constexpr size_t kIdsBytesMax = 100U << 10;  // of a statement, which may have 256 KiB

void uuid(ByteWriter& w, const Uuid& u) {
  // The engine keeps a UUID as two little-endian halves.
  for (size_t half = 0; half < 16; half += 8) {
    for (size_t i = 8; i > 0; i--) w.u8(u.bytes[half + i - 1]);
  }
}

/// Empty texts are NULL.
void nullable(ByteWriter& w, std::string_view text) {
  w.u8(text.empty() ? 1 : 0);
  if (!text.empty()) w.bytes(text);
}

// What a DateTime64 of the engine can hold: years 0 to 9999.
int64_t clamped(int64_t ms) {
  return std::clamp<int64_t>(ms, -62'167'219'200'000, 253'402'300'799'999);
}
int64_t micros(int64_t ms) { return clamped(ms) * 1000; }

std::string quoted(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\'' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

/// A repeated token is not stored again. Synchronous: an answer means it is stored. However many
/// months a batch spans, it is one insert. `mark` is the table's in its tokens: it stays what it
/// was when a table is renamed, or a batch repeated across the renaming would be stored twice.
std::string statement(std::string_view table, std::string_view columns, std::string_view id,
                      std::string_view mark = {}) {
  return fmt::format(
      "INSERT INTO {} ({}) SETTINGS insert_deduplication_token='{}:{}', insert_deduplicate=1, "
      "async_insert=0, throw_on_max_partitions_per_insert_block=0",
      table, columns, quoted(id), mark.empty() ? table : mark);
}

struct Insert {
  std::string sql, data;
  size_t rows = 0;
};

Insert events(const InsertBatch& batch, uint32_t now_s) {
  Insert out;
  out.sql = statement("sharded_events",
                      "uuid,event,properties,timestamp,team_id,distinct_id,elements_chain,"
                      "created_at,person_id,person_created_at,person_properties,person_mode,"
                      "_timestamp",
                      batch.id, "events");
  size_t bytes = 0;
  for (const InsertBatch::EventEntry& e : batch.events) {
    bytes += kFixedBytesPerRow + e.row.event.size() + e.row.properties.size() +
             e.row.distinct_id.size() + e.row.elements_chain.size() +
             e.row.person_properties.size();
  }
  out.data.reserve(bytes);
  out.rows = batch.events.size();
  ByteWriter w(out.data);
  for (const InsertBatch::EventEntry& e : batch.events) {
    uuid(w, e.uuid);
    w.bytes(e.row.event);
    w.bytes(e.row.properties);
    w.i64(micros(e.row.timestamp_ms));
    w.i64(e.project.value);
    w.bytes(e.row.distinct_id);
    w.bytes(e.row.elements_chain);
    w.i64(micros(e.row.created_at_ms));
    uuid(w, e.row.person_id);
    w.i64(clamped(e.row.person_created_at_ms));
    w.bytes(e.row.person_properties);
    w.u8(static_cast<uint8_t>(e.row.person_mode));
    w.u32(now_s);
  }
  return out;
}

Insert persons(const InsertBatch& batch, uint32_t now_s) {
  Insert out;
  out.sql = statement("person",
                      "id,created_at,team_id,properties,is_identified,is_deleted,"
                      "version,_timestamp",
                      batch.id);
  out.rows = batch.persons.size();
  ByteWriter w(out.data);
  for (const event::PersonChange& p : batch.persons) {
    uuid(w, p.id);
    w.i64(clamped(p.created_at_ms));
    w.i64(p.project.value);
    w.bytes(p.properties);
    w.u8(p.is_identified ? 1 : 0);
    w.u8(p.is_deleted ? 1 : 0);
    w.u64(p.version);
    w.u32(now_s);
  }
  return out;
}

Insert distinct_ids(const InsertBatch& batch, uint32_t now_s, bool overrides) {
  Insert out;
  out.sql = statement(overrides ? "person_distinct_id_overrides" : "person_distinct_id2",
                      "team_id,distinct_id,person_id,is_deleted,version,_timestamp", batch.id);
  ByteWriter w(out.data);
  for (const event::DistinctIdChange& d : batch.distinct_ids) {
    if (overrides && d.version <= 0) continue;
    out.rows++;
    w.i64(d.project.value);
    w.bytes(d.distinct_id);
    uuid(w, d.person_id);
    w.u8(d.is_deleted ? 1 : 0);
    w.i64(d.version);
    w.u32(now_s);
  }
  return out;
}

Insert warnings(const InsertBatch& batch, uint32_t now_s) {
  Insert out;
  out.sql =
      statement("ingestion_warnings", "team_id,source,type,details,timestamp,_timestamp", batch.id);
  out.rows = batch.warnings.size();
  ByteWriter w(out.data);
  for (const event::IngestionWarning& i : batch.warnings) {
    w.i64(i.project.value);
    w.bytes(i.source);
    w.bytes(i.type);
    w.bytes(i.details);
    w.i64(micros(i.timestamp_ms));
    w.u32(now_s);
  }
  return out;
}

Insert replay_blocks(const InsertBatch& batch, uint32_t now_s) {
  Insert out;
  out.sql = statement("session_replay_blocks",
                      "session_id,team_id,distinct_id,first_timestamp,last_timestamp,block_url,"
                      "first_url,urls,click_count,keypress_count,mouse_activity_count,"
                      "active_milliseconds,console_log_count,console_warn_count,"
                      "console_error_count,size,event_count,message_count,snapshot_source,"
                      "snapshot_library,retention_period_days,_timestamp",
                      batch.id);
  out.rows = batch.replay_blocks.size();
  ByteWriter w(out.data);
  for (const event::ReplayBlock& b : batch.replay_blocks) {
    w.bytes(b.session_id);
    w.i64(b.project.value);
    w.bytes(b.distinct_id);
    w.i64(micros(b.first_timestamp_ms));
    w.i64(micros(b.last_timestamp_ms));
    w.bytes(b.block_url);
    w.bytes(b.first_url);
    w.varint(b.urls.size());
    for (const std::string_view url : b.urls) w.bytes(url);
    for (const uint64_t n : {b.click_count, b.keypress_count, b.mouse_activity_count,
                             b.active_milliseconds, b.console_log_count, b.console_warn_count,
                             b.console_error_count, b.size, b.event_count, b.message_count}) {
      w.u64(n);
    }
    nullable(w, b.snapshot_source);
    nullable(w, b.snapshot_library);
    w.u32(b.retention_period_days);
    w.u32(now_s);
  }
  return out;
}

Insert log_entries(const InsertBatch& batch, uint32_t now_s) {
  Insert out;
  out.sql =
      statement("log_entries",
                "team_id,log_source,log_source_id,timestamp,level,message,_timestamp", batch.id);
  out.rows = batch.log_entries.size();
  ByteWriter w(out.data);
  for (const event::LogEntry& l : batch.log_entries) {
    w.i64(l.project.value);
    w.bytes(l.source);
    w.bytes(l.source_id);
    w.i64(micros(l.timestamp_ms));
    w.bytes(l.level);
    w.bytes(l.message);
    w.u32(now_s);
  }
  return out;
}

Insert heatmaps(const InsertBatch& batch, uint32_t now_s) {
  Insert out;
  out.sql = statement("heatmaps",
                      "session_id,team_id,distinct_id,timestamp,x,y,scale_factor,viewport_width,"
                      "viewport_height,pointer_target_fixed,current_url,type,_timestamp",
                      batch.id);
  out.rows = batch.heatmaps.size();
  ByteWriter w(out.data);
  const auto small = [&w](int16_t v) {
    w.u8(static_cast<uint8_t>(static_cast<uint16_t>(v)));
    w.u8(static_cast<uint8_t>(static_cast<uint16_t>(v) >> 8));
  };
  for (const InsertBatch::HeatmapEntry& h : batch.heatmaps) {
    w.bytes(h.session_id);
    w.i64(h.project.value);
    w.bytes(h.distinct_id);
    w.i64(micros(h.timestamp_ms));
    small(h.point.x);
    small(h.point.y);
    small(event::kHeatmapScale);
    small(h.viewport_width);
    small(h.viewport_height);
    w.u8(h.point.target_fixed ? 1 : 0);
    w.bytes(h.point.url);
    w.bytes(h.point.type);
    w.u32(now_s);
  }
  return out;
}

Insert groups(const InsertBatch& batch, uint32_t now_s) {
  Insert out;
  out.sql = statement("groups",
                      "group_type_index,group_key,created_at,team_id,group_properties,_timestamp,"
                      "is_deleted,version",
                      batch.id);
  out.rows = batch.groups.size();
  ByteWriter w(out.data);
  for (const event::GroupChange& g : batch.groups) {
    w.u8(g.type_index);
    w.bytes(g.key);
    w.i64(clamped(g.created_at_ms));
    w.i64(g.project.value);
    w.bytes(g.properties);
    w.u32(now_s);
    w.u8(0);
    w.u64(g.version);
  }
  return out;
}

/// What queries look at follows the overrides table: the newest version of every distinct id of the
/// batch, whatever order versions come in. Repeats are harmless.
void add_overrides(std::vector<Insert>& all, const InsertBatch& batch) {
  Insert ids;
  ids.sql = "INSERT INTO penstock_fresh (team_id,distinct_id) SETTINGS async_insert=0";
  ByteWriter w(ids.data);
  for (const event::DistinctIdChange& d : batch.distinct_ids) {
    if (d.version <= 0) continue;
    ids.rows++;
    w.i64(d.project.value);
    w.bytes(d.distinct_id);
  }
  if (ids.rows == 0) return;
  const auto plain = [&](std::string sql) { all.push_back({std::move(sql), "", 1}); };
  plain("TRUNCATE TABLE penstock_fresh");
  all.push_back(std::move(ids));
  plain(
      "INSERT INTO penstock_overrides SELECT team_id, sipHash64(distinct_id), "
      "if(argMax(is_deleted, version) = 1, "
      "toUUID('00000000-0000-0000-0000-000000000000'), argMax(person_id, version)) "
      "FROM person_distinct_id_overrides WHERE (team_id, distinct_id) IN "
      "(SELECT team_id, distinct_id FROM penstock_fresh) GROUP BY team_id, distinct_id");
}

BatchStatements packed_up(std::vector<Insert> all) {
  BatchStatements out;
  for (Insert& s : all) {
    if (s.rows == 0) continue;
    out.statements.push_back({std::move(s.sql), std::move(s.data)});
    out.rows += s.rows;
  }
  return out;
}

std::vector<Insert> inserts(const InsertBatch& batch, int64_t now_ms, bool follow_overrides) {
  const auto now_s = static_cast<uint32_t>(now_ms / 1000);
  std::vector<Insert> all;
  all.push_back(events(batch, now_s));
  all.push_back(persons(batch, now_s));
  all.push_back(distinct_ids(batch, now_s, false));
  all.push_back(distinct_ids(batch, now_s, true));
  if (follow_overrides) add_overrides(all, batch);
  all.push_back(warnings(batch, now_s));
  all.push_back(replay_blocks(batch, now_s));
  all.push_back(log_entries(batch, now_s));
  all.push_back(heatmaps(batch, now_s));
  all.push_back(groups(batch, now_s));
  return all;
}

}  // namespace

BatchStatements batch_statements(const InsertBatch& batch, int64_t now_ms) {
  return packed_up(inserts(batch, now_ms, false));
}

std::vector<std::string> overridden_ids(const InsertBatch& batch) {
  std::vector<std::string> out;
  for (const event::DistinctIdChange& d : batch.distinct_ids) {
    if (d.version <= 0) continue;
    if (out.empty() || out.back().size() > kIdsBytesMax) {
      out.emplace_back("(team_id, distinct_id) IN (");
    } else {
      out.back() += ',';
    }
    out.back() += fmt::format("({},'{}')", d.project.value, quoted(d.distinct_id));
  }
  for (std::string& ids : out) ids += ')';
  return out;
}

EncodedInserts encode_inserts(const InsertBatch& batch, int64_t now_ms) {
  BatchStatements all = packed_up(inserts(batch, now_ms, true));
  return {pack(std::move(all.statements)), all.rows};
}

std::string pack(std::vector<Statement> statements) {
  size_t bytes = 64;
  for (const Statement& s : statements) bytes += s.sql.size() + s.rows.size() + 20;
  std::string out;
  out.reserve(bytes);
  ByteWriter w(out);
  w.varint(statements.size());
  for (Statement& s : statements) {
    w.bytes(s.sql);
    w.bytes(s.rows);
    s.rows = std::string();
  }
  return out;
}

}  // namespace penstock::store
