#include "ingest/testing/fixture.h"

#include <gtest/gtest.h>

#include "kv/key_value.h"

namespace penstock::ingest::testing {
namespace {

void take(Seens& out, const event::ProcessedRecord& record) {
  if (const auto* o = std::get_if<event::Outcome>(&record)) {
    Seen s;
    s.kind = o->kind;
    s.reason = o->reason;
    s.stage = o->stage;
    s.token = o->token;
    s.raw = o->raw;
    s.uuid = o->uuid;
    s.event = o->row.event;
    s.properties = o->row.properties;
    s.distinct_id = o->row.distinct_id;
    s.elements_chain = o->row.elements_chain;
    s.person_properties = o->row.person_properties;
    s.timestamp_ms = o->row.timestamp_ms;
    s.person_created_at_ms = o->row.person_created_at_ms;
    s.person_id = o->row.person_id;
    s.mode = o->row.person_mode;
    s.heatmap_only = o->row.heatmap_only;
    out.outcomes.push_back(std::move(s));
  } else if (const auto* p = std::get_if<event::PersonChange>(&record)) {
    out.persons.push_back({p->id, std::string(p->properties), p->created_at_ms, p->is_identified,
                           p->is_deleted, p->version});
  } else if (const auto* d = std::get_if<event::DistinctIdChange>(&record)) {
    out.mappings.push_back({std::string(d->distinct_id), d->person_id, d->version});
  } else if (const auto* w = std::get_if<event::IngestionWarning>(&record)) {
    out.warnings.emplace_back(w->type, w->details);
  } else if (const auto* m = std::get_if<event::PersonMerge>(&record)) {
    SeenMerge s;
    s.source_id = m->source_id;
    s.target_id = m->target_id;
    if (const auto from = event::PersonMerge::person(m->source)) s.source = from->properties;
    if (const auto to = event::PersonMerge::person(m->target)) s.target = to->properties;
    s.result = m->result;
    s.moved.assign(m->moved.begin(), m->moved.end());
    s.place = m->place;
    out.merges.push_back(std::move(s));
  } else if (const auto* g = std::get_if<event::GroupChange>(&record)) {
    out.groups.push_back({g->type_index, std::string(g->key), std::string(g->properties),
                          g->created_at_ms, g->version});
  } else if (const auto* t = std::get_if<event::GroupTypeChange>(&record)) {
    out.group_types.push_back({t->index, std::string(t->name), t->created_at_ms});
  } else if (const auto* h = std::get_if<event::Heatmap>(&record)) {
    SeenHeatmap s{std::string(h->session_id), std::string(h->distinct_id), h->timestamp_ms,
                  h->viewport_width,          h->viewport_height,          {}};
    for (const event::HeatmapPoint& at : h->points) {
      s.points.push_back({std::string(at.url), std::string(at.type), at.x, at.y, at.target_fixed});
    }
    out.heatmaps.push_back(std::move(s));
  }
}

/// Counts the reads of many keys, which is how persons are fetched.
class CountingKv : public kv::KeyValue {
 public:
  explicit CountingKv(std::shared_ptr<size_t> reads) : reads_(std::move(reads)) {}
  Result<std::optional<std::string>> get(std::string_view key) const override {
    return kv_->get(key);
  }
  Result<std::vector<std::optional<std::string>>> get_many(
      const std::vector<std::string>& keys) const override {
    ++*reads_;
    return kv_->get_many(keys);
  }
  Status scan(std::string_view from, std::string_view to,
              const std::function<bool(std::string_view, std::string_view)>& visit) const override {
    return kv_->scan(from, to, visit);
  }
  Status write(const kv::WriteBatch& batch) override { return kv_->write(batch); }
  Status erase_range(std::string_view from, std::string_view to) override {
    return kv_->erase_range(from, to);
  }
  Status flush() override { return kv_->flush(); }
  uint64_t disk_bytes() const override { return kv_->disk_bytes(); }

 private:
  std::unique_ptr<kv::KeyValue> kv_ = kv::make_memory_kv();
  std::shared_ptr<size_t> reads_;
};

}  // namespace

Fixture::Fixture(ledger::LedgerOptions options, DeciderLimits limits)
    : persons_(persons::make_person_store(std::make_unique<CountingKv>(person_reads_))),
      ledger_(ledger::make_ledger(kv::make_memory_kv(), options)),
      cookieless_(make_cookieless_store(kv::make_memory_kv(), runtime_)),
      limits_(limits),
      decider_(std::make_unique<Decider>(*persons_, *ledger_, limits, cookieless_.get())) {
  catalog::Project p;
  p.id = {1};
  p.token = "phc_one";
  projects_.push_back(p);
  p.id = {2};
  p.token = "phc_two";
  projects_.push_back(p);
}

Uuid Fixture::uuid_of(uint64_t n) const {
  Uuid uuid;
  for (size_t i = 0; i < 8; i++) uuid.bytes[15 - i] = static_cast<uint8_t>(n >> (8 * i));
  uuid.bytes[0] = 1;
  return uuid;
}

void Fixture::add(const EventSpec& spec) {
  event::RawRecord raw;
  raw.uuid = uuid_of(spec.uuid == 0 ? next_uuid_++ : spec.uuid);
  for (const catalog::Project& p : projects_) {
    if (p.token == spec.token) raw.project = p.id;
  }
  raw.now_ms = spec.now_ms;
  raw.sent_at_ms = spec.sent_at_ms;
  raw.timestamp_ms = spec.timestamp_ms;
  raw.token = spec.token;
  raw.distinct_id = spec.distinct_id;
  raw.event = spec.event;
  raw.ip = spec.ip;
  raw.session_id = spec.session_id;
  raw.data = spec.data;
  raw.skip_persons = spec.skip_persons;
  raw.skip_heatmap = spec.skip_heatmap;
  raw.disposition = spec.disposition;
  raw.reason = spec.reason;
  std::string bytes;
  event::encode(raw, bytes);
  add_bytes(std::move(bytes), spec.partition);
}

void Fixture::add_bytes(std::string record, int32_t partition) {
  waiting_[partition].push_back(std::move(record));
}

Seens Fixture::decide(bool apply) {
  catalog::Snapshot snapshot;
  snapshot.projects = projects_;
  for (size_t i = 0; i < projects_.size(); i++) snapshot.by_token.emplace(projects_[i].token, i);
  std::vector<InputSlice> slices;
  for (const auto& [partition, records] : waiting_) {
    InputSlice slice{{partition}, {raw_next_[partition]}, {}};
    for (const std::string& r : records) slice.records.push_back(r);
    slices.push_back(std::move(slice));
  }
  auto decided = decider_->decide(event::Lane::kMain, slices, snapshot, 1'785'585'600'900);
  EXPECT_TRUE(decided.has_value());
  Seens out;
  if (!decided) return out;
  for (const Output& output : decided->outputs) {
    const auto records = output.records();
    persons::PersonUpdates updates;
    std::vector<event::CookielessChange> visitors;
    for (std::string_view bytes : records) {
      const auto record = event::decode_processed(bytes);
      EXPECT_TRUE(record.has_value());
      take(out, *record);
      updates.take(*record);
      if (const auto* c = std::get_if<event::CookielessChange>(&*record)) visitors.push_back(*c);
    }
    if (!apply) continue;
    EXPECT_TRUE(cookieless_->apply(visitors, {}).has_value());
    int64_t& base = processed_next_[output.partition.value];
    EXPECT_TRUE(ledger_->apply_processed(output.partition, {base}, records).has_value());
    base += static_cast<int64_t>(records.size());
    EXPECT_TRUE(persons_->apply(updates, {{output.partition, {base}}}).has_value());
    int64_t& next = raw_next_[output.partition.value];
    std::vector<std::string>& waiting = waiting_[output.partition.value];
    waiting.erase(waiting.begin(), waiting.begin() + (output.next.value - next));
    next = output.next.value;
  }
  last_bytes_ = decided->bytes();
  if (!apply) waiting_.clear();
  return out;
}

std::map<std::string, std::string> fields_of(std::string_view object_text) {
  std::map<std::string, std::string> out;
  const auto fields = event::JsonFields::parse(object_text);
  if (!fields) return {{"not an object", std::string(object_text)}};
  for (const auto& f : fields->fields()) out[std::string(f.key)] = f.value;
  return out;
}

}  // namespace penstock::ingest::testing
