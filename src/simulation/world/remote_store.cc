#include "simulation/world/remote_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "event/json_fields.h"

namespace penstock::simulation {
namespace {

constexpr size_t kTables = 8;
constexpr size_t kInsertsShared = 30;   // slow ones take twenty seconds, a loader may live for less
constexpr size_t kOutcomeSlack = 2000;  // a fetch that begins below the limit may pass it

size_t rows_in(const store::InsertBatch& batch, size_t table) {
  switch (table) {
    case 0: return batch.events.size();
    case 1: return batch.persons.size();
    case 2: return batch.distinct_ids.size();
    case 3: return batch.warnings.size();
    case 4: return batch.replay_blocks.size();
    case 5: return batch.log_entries.size();
    case 6: return batch.heatmaps.size();
    default: return batch.groups.size();
  }
}

/// One table of a batch, under an id of its own.
std::shared_ptr<store::InsertBatch> table_of(const store::InsertBatch& from, size_t table) {
  auto out = std::make_shared<store::InsertBatch>();
  out->id = fmt::format("{}#{}", from.id, table);
  switch (table) {
    case 0: out->events = from.events; break;
    case 1: out->persons = from.persons; break;
    case 2: out->distinct_ids = from.distinct_ids; break;
    case 3: out->warnings = from.warnings; break;
    case 4: out->replay_blocks = from.replay_blocks; break;
    case 5: out->log_entries = from.log_entries; break;
    case 6: out->heatmaps = from.heatmaps; break;
    default: out->groups = from.groups; break;
  }
  return out;
}

}  // namespace

void RemoteStore::insert(std::shared_ptr<const store::InsertBatch> batch, store::InsertDone done) {
  // Of a loader that died the last one goes on.
  if (++inserting_ > (m_.shares_load() ? kInsertsShared : 1)) {
    m_.broken("queues", fmt::format("{} inserts at once", inserting_));
  }
  if (batch->events.size() > m_.tempo.rows_per_batch_max + kOutcomeSlack) {
    m_.broken("queues", fmt::format("a batch of {} rows", batch->events.size()));
  }
  int64_t ms = m_.faults.dice().between(1, 8);
  if (m_.faults.strike(Fault::kStoreSlow)) ms = m_.faults.dice().between(100, 20'000);
  loop_.after(std::chrono::milliseconds(ms),
              [this, alive = alive_, batch = std::move(batch), done = std::move(done)]() mutable {
                if (!*alive) return;
                inserting_--;
                done(answer(*batch));
              });
}

Status RemoteStore::answer(const store::InsertBatch& batch) {
  const int64_t now = runtime_.clock().mono_ns();
  if (m_.faults.strike(Fault::kStoreAway)) {
    away_until_ns_ = now + m_.faults.dice().between(10, 8000) * 1'000'000;
  }
  if (now < away_until_ns_ && !m_.faults.is_calm()) {
    return fail(Code::kUnavailable, "simulated: the store is away");
  }
  if (m_.faults.strike(Fault::kStoreBusy)) return fail(Code::kBusy, "simulated: the store is busy");
  const bool poisoned =
      std::ranges::any_of(batch.events, [](const auto& e) { return e.row.event == "poison"; });
  if (poisoned && m_.faults.enabled(Fault::kStoreRefuses)) {
    m_.faults.count(Fault::kStoreRefuses);
    return fail(Code::kInvalid, "simulated: a row that cannot be stored");
  }
  const bool half = m_.faults.strike(Fault::kStoreHalf);
  const size_t tables = half ? m_.faults.dice().below(kTables) : kTables;
  PENSTOCK_CHECK(store_tables(batch, tables));
  if (half) return fail(Code::kMaybe, "simulated: the store closed the connection");
  if (m_.faults.strike(Fault::kStoreSilent)) {
    return fail(Code::kMaybe, "simulated: the store died before it answered");
  }
  return {};
}

Status RemoteStore::store_tables(const store::InsertBatch& batch, size_t tables) {
  Status out;
  for (size_t table = 0; table < tables; table++) {
    if (rows_in(batch, table) == 0) continue;
    m_.store.rows.insert(table_of(batch, table), [&](Status s) {
      if (!s) out = std::move(s);
    });
    if (table == 3 && m_.store.warnings_taken.insert(batch.id).second) note_warnings(batch);
  }
  return out;
}

void RemoteStore::note_warnings(const store::InsertBatch& batch) {
  for (const event::IngestionWarning& w : batch.warnings) {
    if (w.type != "row_refused_by_store") continue;
    const auto fields = event::JsonFields::parse(w.details);
    const auto raw = fields ? fields->find("eventUuid") : std::nullopt;
    const auto uuid = raw ? Uuid::parse(event::decode_string(*raw)) : std::nullopt;
    if (uuid) m_.store.set_aside[*uuid]++;
  }
}

void RemoteStore::erase_person(store::EraseRequest request, store::EraseStep step,
                               store::EraseDone done) {
  if (m_.faults.strike(Fault::kStoreAway)) {
    return done(fail(Code::kUnavailable, "simulated: the store is away"));
  }
  std::map<Uuid, int64_t> before;
  std::multiset<std::string> heatmaps, blocks;
  const store::MemoryStore& rows = m_.store.rows;
  for (const auto& row : rows.events()) before[row.uuid]++;
  for (const auto& row : rows.heatmaps()) heatmaps.insert(row.url);
  for (const auto& row : rows.replay_blocks()) blocks.insert(row.block_url);
  m_.store.rows.erase_person(std::move(request), std::move(step), std::move(done));
  for (const auto& row : rows.events()) before[row.uuid]--;
  for (const auto& row : rows.heatmaps()) heatmaps.erase(heatmaps.find(row.url));
  for (const auto& row : rows.replay_blocks()) blocks.erase(blocks.find(row.block_url));
  for (const auto& [uuid, count] : before) {
    if (count > 0) m_.store.erased[uuid] += static_cast<uint64_t>(count);
  }
  m_.store.erased_heatmaps.insert(heatmaps.begin(), heatmaps.end());
  m_.store.erased_blocks.insert(blocks.begin(), blocks.end());
}

}  // namespace penstock::simulation
