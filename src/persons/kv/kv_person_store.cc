#include "persons/kv/kv_person_store.h"

#include <algorithm>

#include "base/metrics.h"
#include "base/probe.h"
#include "log/replay.h"

namespace penstock::persons {
namespace {

Counter applied_metric{"penstock_persons_changes_total",
                       "Person, distinct id and group changes applied."};

// A search passes no more than so many ids that belong to nobody any more.
constexpr size_t kDeletedIdsSkippedMax = 10'000;

Error unreadable() { return {Code::kCorrupt, "a person in the person store cannot be read"}; }

Person to_person(ProjectId project, const Uuid& id, const PersonValue& v) {
  Person p;
  p.project = project;
  p.id = id;
  p.properties = v.properties;
  p.created_at_ms = v.created_at_ms;
  p.is_identified = v.is_identified;
  p.version = v.version;
  p.last_seen_at_ms = v.last_seen_at_ms;
  p.stamps = v.stamps;
  return p;
}

}  // namespace

KvPersonStore::KvPersonStore(std::unique_ptr<kv::KeyValue> kv) : kv_(std::move(kv)) {}

Result<std::vector<std::optional<Person>>> KvPersonStore::fetch(
    const std::vector<DistinctIdKey>& keys) const {
  std::vector<std::string> wanted;
  wanted.reserve(keys.size());
  for (const DistinctIdKey& key : keys) {
    wanted.push_back(mapping_key(key.project, key.distinct_id));
  }
  std::vector<std::string> person_keys;
  struct Place {
    size_t at;
    Uuid id;
    int64_t attached_at_ms, version;
  };
  std::vector<Place> places;
  PENSTOCK_CHECK(kv_->visit_many(wanted, [&](size_t i, std::string_view bytes) -> Status {
    MappingValue m;
    if (!decode_mapping(bytes, m)) return std::unexpected(unreadable());
    if (m.deleted) return {};
    person_keys.push_back(person_key(keys[i].project, m.person_id));
    places.push_back({i, m.person_id, m.attached_at_ms, m.version});
    return {};
  }));
  std::vector<std::optional<Person>> out(keys.size());
  PENSTOCK_CHECK(kv_->visit_many(person_keys, [&](size_t i, std::string_view bytes) -> Status {
    PersonValue v;
    if (!decode_person(bytes, v)) return std::unexpected(unreadable());
    if (v.deleted) return {};
    const Place& place = places[i];
    out[place.at] = to_person(keys[place.at].project, place.id, v);
    out[place.at]->attached_at_ms = place.attached_at_ms;
    // Whatever gives a person a second id identifies it; only deleting ids by hand can blur that.
    if (!v.is_identified && !has_deleted_ids(keys[place.at].project)) {
      out[place.at]->only_mapping = place.version;
    }
    return {};
  }));
  return out;
}

Result<std::optional<Person>> KvPersonStore::get(ProjectId project, const Uuid& id) const {
  PENSTOCK_TRY(const auto bytes, kv_->get(person_key(project, id)));
  if (!bytes) return std::nullopt;
  PersonValue v;
  if (!decode_person(*bytes, v)) return std::unexpected(unreadable());
  if (v.deleted) return std::nullopt;
  return to_person(project, id, v);
}

Result<std::vector<Mapping>> KvPersonStore::mappings(ProjectId project, const Uuid& id,
                                                     size_t ids_max, std::string_view after) const {
  std::vector<Mapping> out;
  const std::string prefix = reverse_prefix(project, id);
  std::string from = prefix;
  if (!after.empty()) from.append(after).push_back('\0');
  Status s =
      kv_->scan(from, kv::prefix_end(prefix), [&](std::string_view key, std::string_view value) {
        if (out.size() >= ids_max) return false;
        Mapping mapping{.distinct_id = std::string(key.substr(prefix.size()))};
        decode_reverse(value, mapping);
        out.push_back(std::move(mapping));
        return true;
      });
  if (!s) return std::unexpected(std::move(s).error());
  return out;
}

Result<std::vector<FoundId>> KvPersonStore::find_ids(ProjectId project, std::string_view prefix,
                                                     size_t ids_max) const {
  std::vector<FoundId> out;
  const std::string from = mapping_key(project, prefix);
  const size_t skip = from.size() - prefix.size();
  bool readable = true;
  size_t looked_at = 0;
  Status s = kv_->scan(from, kv::prefix_end(from), [&](std::string_view key, std::string_view v) {
    if (out.size() >= ids_max || ++looked_at > ids_max + kDeletedIdsSkippedMax) return false;
    MappingValue m;
    readable = decode_mapping(v, m);
    if (!readable) return false;
    if (!m.deleted) out.push_back({std::string(key.substr(skip)), m.person_id, m.version});
    return true;
  });
  if (s && !readable) s = std::unexpected(unreadable());
  if (!s) return std::unexpected(std::move(s).error());
  return out;
}

Result<std::vector<std::string>> KvPersonStore::distinct_ids(ProjectId project, const Uuid& id,
                                                             size_t ids_max) const {
  PENSTOCK_TRY(auto found, mappings(project, id, ids_max, {}));
  std::vector<std::string> out;
  for (Mapping& m : found) out.push_back(std::move(m.distinct_id));
  return out;
}

Status KvPersonStore::apply_person(Change& change, const event::PersonChange& person) const {
  const std::string key = person_key(person.project, person.id);
  const std::optional<std::string>& bytes = change.get(key);
  bool existed = change.stored.contains(person.id);
  if (bytes) {
    PersonValue old;
    if (!decode_person(*bytes, old)) return std::unexpected(unreadable());
    if (person.version <= old.version) return {};
    existed = !old.deleted;
  }
  PersonValue value{.deleted = person.is_deleted,
                    .version = person.version,
                    .is_identified = person.is_identified,
                    .created_at_ms = person.created_at_ms,
                    .last_seen_at_ms = person.last_seen_at_ms,
                    .properties = person.is_deleted ? "" : person.properties,
                    .stamps = person.is_deleted ? "" : person.stamps};
  change.batch.put_moved(key, encode_person(value));
  // Later changes of this batch are compared with its version alone.
  value.properties = value.stamps = {};
  change.known.insert_or_assign(key, encode_person(value));
  change.count_delta[person.project] += (person.is_deleted ? 0 : 1) - (existed ? 1 : 0);
  return {};
}

Status KvPersonStore::apply_mapping(Change& change, const event::DistinctIdChange& mapping) const {
  const std::string key = mapping_key(mapping.project, mapping.distinct_id);
  const std::optional<std::string>& bytes = change.get(key);
  if (bytes) {
    MappingValue old;
    if (!decode_mapping(*bytes, old)) return std::unexpected(unreadable());
    // Only of a store that is ahead of a log which lost its end: else positions keep it away.
    if (mapping.version <= old.version) return {};
    if (!old.deleted) {
      change.batch.erase(reverse_key(mapping.project, old.person_id, mapping.distinct_id));
    }
  }
  change.put(key, encode_mapping({mapping.person_id, mapping.version, mapping.is_deleted,
                                  mapping.attached_at_ms}));
  if (mapping.is_deleted) {
    change.deleted_in.insert(mapping.project.value);
    change.batch.put(deleted_key(mapping.project), "");
  } else {
    change.batch.put(reverse_key(mapping.project, mapping.person_id, mapping.distinct_id),
                     encode_reverse(mapping.version, mapping.attached_at_ms));
  }
  return {};
}

Result<std::vector<std::optional<Group>>> KvPersonStore::fetch_groups(
    const std::vector<GroupKey>& keys) const {
  std::vector<std::string> wanted;
  wanted.reserve(keys.size());
  for (const GroupKey& key : keys) {
    wanted.push_back(group_key(key.project, key.type_index, key.key));
  }
  PENSTOCK_TRY(const auto values, kv_->get_many(wanted));
  std::vector<std::optional<Group>> out(keys.size());
  for (size_t i = 0; i < keys.size(); i++) {
    if (!values[i]) continue;
    GroupValue v;
    if (!decode_group(*values[i], v)) return std::unexpected(unreadable());
    const GroupKey& key = keys[i];
    out[i] = Group{key.project,     key.type_index, key.key, std::string(v.properties),
                   v.created_at_ms, v.version};
  }
  return out;
}

Result<std::vector<GroupType>> KvPersonStore::group_types(ProjectId project) const {
  std::vector<std::string> wanted;
  for (uint8_t i = 0; i < event::kGroupTypesMax; i++) wanted.push_back(group_type_key(project, i));
  PENSTOCK_TRY(const auto values, kv_->get_many(wanted));
  std::vector<GroupType> out;
  for (uint8_t i = 0; i < event::kGroupTypesMax; i++) {
    if (!values[i]) continue;
    GroupTypeValue v;
    if (!decode_group_type(*values[i], v)) return std::unexpected(unreadable());
    out.push_back({i, std::string(v.name), v.created_at_ms});
  }
  return out;
}

Status KvPersonStore::apply_group(Change& change, const event::GroupChange& group) {
  const std::string key = group_key(group.project, group.type_index, group.key);
  if (const std::optional<std::string>& bytes = change.get(key)) {
    GroupValue old;
    if (!decode_group(*bytes, old)) return std::unexpected(unreadable());
    if (group.version <= old.version) return {};
  }
  change.put(key, encode_group({group.version, group.created_at_ms, group.properties}));
  return {};
}

Status KvPersonStore::apply_group_type(Change& change, const event::GroupTypeChange& type) {
  for (uint8_t i = 0; i < event::kGroupTypesMax; i++) {
    const std::optional<std::string>& bytes = change.get(group_type_key(type.project, i));
    if (!bytes) continue;
    GroupTypeValue old;
    if (!decode_group_type(*bytes, old)) return std::unexpected(unreadable());
    if (i == type.index || old.name == type.name) return {};  // as above
  }
  change.put(group_type_key(type.project, type.index),
             encode_group_type({type.created_at_ms, type.name}));
  return {};
}

/// True when these positions were applied before, wholly: whoever applies did not hear of it, or
/// failed at something else that belongs together with it, and repeats.
bool KvPersonStore::is_repeat(const std::vector<log::Position>& applied) const {
  return !applied.empty() && std::ranges::all_of(applied, [this](const log::Position& p) {
    const auto it = applied_.find(p.partition.value);
    return it != applied_.end() && it->second >= p.next.value;
  });
}

/// Reads, at once, what the changes have to be compared with.
Status KvPersonStore::read(Change& change, const PersonUpdates& updates) const {
  std::vector<std::string> keys;
  for (const event::PersonChange& p : updates.persons) {
    if (updates.current && (p.version == 0 || updates.stored.contains(p.id))) continue;
    keys.push_back(person_key(p.project, p.id));
  }
  for (const event::DistinctIdChange& d : updates.distinct_ids) {
    if (updates.current && d.version == 0) continue;
    keys.push_back(mapping_key(d.project, d.distinct_id));
  }
  for (const event::GroupChange& g : updates.groups) {
    if (updates.current && g.version == 1) continue;
    keys.push_back(group_key(g.project, g.type_index, g.key));
  }
  for (const event::GroupTypeChange& t : updates.group_types) {
    for (uint8_t i = 0; i < event::kGroupTypesMax; i++)
      keys.push_back(group_type_key(t.project, i));
  }
  if (keys.empty()) return {};
  return kv_->visit_many(keys, [&](size_t i, std::string_view bytes) -> Status {
    // Of a person all but the properties, which the change replaces.
    PersonValue person;
    if (keys[i].front() == kPersonPrefix && decode_person(bytes, person)) {
      person.properties = person.stamps = {};
      change.known.insert_or_assign(keys[i], encode_person(person));
    } else {
      change.known.insert_or_assign(keys[i], std::string(bytes));
    }
    return {};
  });
}

Status KvPersonStore::apply(const PersonUpdates& updates,
                            const std::vector<log::Position>& applied) {
  const std::lock_guard lock(mutex_);
  if (is_repeat(applied)) {
    probe<"persons.apply_is_repeated">();
    return {};
  }
  Change change;
  if (updates.current) change.stored = updates.stored;
  if (Status s = read(change, updates); !s) return s;
  for (const event::PersonChange& p : updates.persons) {
    if (Status s = apply_person(change, p); !s) return s;
  }
  for (const event::DistinctIdChange& d : updates.distinct_ids) {
    if (Status s = apply_mapping(change, d); !s) return s;
  }
  for (const event::GroupChange& g : updates.groups) {
    if (Status s = apply_group(change, g); !s) return s;
  }
  for (const event::GroupTypeChange& t : updates.group_types) {
    if (Status s = apply_group_type(change, t); !s) return s;
  }
  if (Status s = apply_merges(change, updates); !s) return s;
  if (Status s = apply_reports(change, updates.reports); !s) return s;
  for (const auto& [project, delta] : change.count_delta) {
    if (delta == 0) continue;
    PENSTOCK_TRY(const auto bytes, kv_->get(count_key(project)));
    const int64_t before = bytes ? decode_number(*bytes) : 0;
    change.batch.put(count_key(project), encode_number(before + delta));
  }
  std::map<int32_t, int64_t> next;
  for (const log::Position& p : applied) {
    const auto it = applied_.find(p.partition.value);
    if (it != applied_.end() && it->second >= p.next.value) continue;
    next[p.partition.value] = p.next.value;
    change.batch.put(applied_key(p.partition), encode_number(p.next.value));
  }
  if (change.batch.empty()) return {};
  if (Status s = kv_->write(change.batch); !s) return s;
  unflushed_ = true;
  for (const auto& [partition, at] : next) applied_[partition] = at;
  deleted_in_.merge(change.deleted_in);
  applied_metric.add(updates.persons.size() + updates.distinct_ids.size() + updates.groups.size() +
                     updates.group_types.size());
  return {};
}

std::vector<log::Position> KvPersonStore::applied() const {
  const std::lock_guard lock(mutex_);
  std::vector<log::Position> out;
  for (const auto& [partition, next] : applied_) out.push_back({{partition}, {next}});
  return out;
}

Status KvPersonStore::load() {
  const std::lock_guard lock(mutex_);
  if (loaded_) return {};
  const std::string prefix(1, kAppliedPrefix);
  Status s =
      kv_->scan(prefix, kv::prefix_end(prefix), [&](std::string_view key, std::string_view value) {
        uint32_t partition = 0;
        for (char c : key.substr(1)) partition = (partition << 8) | static_cast<uint8_t>(c);
        applied_[static_cast<int32_t>(partition)] = decode_number(value);
        return true;
      });
  if (!s) return s;
  const std::string deleted(1, kDeletedPrefix);
  s = kv_->scan(deleted, kv::prefix_end(deleted), [&](std::string_view key, std::string_view) {
    uint64_t project = 0;
    for (char c : key.substr(1)) project = (project << 8) | static_cast<uint8_t>(c);
    deleted_in_.insert(static_cast<int64_t>(project));
    return true;
  });
  loaded_ = s.has_value();
  return s;
}

void KvPersonStore::recover(log::Log& log, runtime::Loop& home, Done done) {
  if (Status status = load(); !status) {
    home.post([done = std::move(done), status = std::move(status)]() mutable { done(status); });
    return;
  }
  log::replay(log, home, std::string(event::kTopicProcessed),
              {.name = "persons",
               .mutex = mutex_,
               .applied = applied_,
               .keep = [this] { return keep_positions(); },
               .apply = [this](const auto& records, const auto& next) -> Status {
                 PENSTOCK_TRY(const PersonUpdates updates, PersonUpdates::of(records));
                 return apply(updates, next);
               }},
              std::move(done));
}

Status KvPersonStore::keep_positions() {
  kv::WriteBatch batch;
  for (const auto& [partition, next] : applied_) {
    batch.put(applied_key({partition}), encode_number(next));
  }
  PENSTOCK_CHECK(kv_->write(batch));
  return kv_->flush();
}

Status KvPersonStore::checkpoint(log::Log& log) {
  {
    const std::lock_guard lock(mutex_);
    if (!unflushed_) return {};
    unflushed_ = false;
  }
  const std::vector<log::Position> durable = applied();
  if (Status s = kv_->flush(); !s) {
    const std::lock_guard lock(mutex_);
    unflushed_ = true;
    return s;
  }
  return log.commit(std::string(event::kGroupPersons), std::string(event::kTopicProcessed),
                    durable);
}

Result<uint64_t> KvPersonStore::count(ProjectId project) const {
  PENSTOCK_TRY(const auto bytes, kv_->get(count_key(project)));
  return bytes ? static_cast<uint64_t>(std::max<int64_t>(decode_number(*bytes), 0)) : 0;
}

}  // namespace penstock::persons
