#include "ingest/steps/person_overlay.h"

#include <algorithm>

namespace penstock::ingest {
namespace {

/// A deleted person's last version lies this far above its own, so that no late change wins.
constexpr int64_t kDeletedVersionStep = 100;

void put_lookup_key(std::string& out, ProjectId project, std::string_view distinct_id) {
  out.assign(reinterpret_cast<const char*>(&project.value), sizeof project.value);
  out.append(distinct_id);
}

std::string lookup_key(ProjectId project, std::string_view distinct_id) {
  std::string out;
  out.reserve(sizeof project.value + distinct_id.size());
  put_lookup_key(out, project, distinct_id);
  return out;
}

}  // namespace

PersonState::PersonState(persons::Person person, bool is_stored, std::string_view founder)
    : project(person.project),
      id(person.id),
      is_identified(person.is_identified),
      last_seen_at_ms(person.last_seen_at_ms),
      version_floor(is_stored ? static_cast<int64_t>(person.version) : -1),
      stored(is_stored),
      only_mapping(person.only_mapping),
      created_at_ms_(person.created_at_ms),
      stamps_loaded_(std::move(person.stamps)),
      properties_(std::move(person.properties)) {
  if (!is_stored) stamps_.emplace(persons::writer_of(founder));
}

persons::PropertyStamps& PersonState::stamps() const {
  if (!stamps_) stamps_ = persons::PropertyStamps::read(stamps_loaded_, created_at_ms_);
  return *stamps_;
}

std::string PersonState::stamps_bytes() const {
  return stamps_ ? stamps_->bytes(created_at_ms_) : stamps_loaded_;
}

int64_t PersonState::latest_once_ms() const {
  return stamps_ ? stamps_->latest_once_ms(created_at_ms_)
                 : persons::PropertyStamps::latest_once_ms(stamps_loaded_, created_at_ms_);
}

persons::PropertyStamp PersonState::stamp(std::string_view key) const {
  return stamps().get(key, created_at_ms_);
}

void PersonState::put(std::string_view key, std::string_view raw,
                      const persons::PropertyStamp& stamp) {
  properties_.set(key, raw);
  stamps().put(key, stamp, created_at_ms_);
}

void PersonState::erase(std::string_view key) {
  if (properties_.erase(key)) stamps().forget(key);
}

void PersonState::begins_at(int64_t at_ms) {
  if (at_ms >= created_at_ms_) return;
  for (const event::JsonFields::Field& f : fields().fields()) stamps().pin(f.key, created_at_ms_);
  stamps();  // read with the time they were written with
  created_at_ms_ = at_ms;
}

event::PersonChange PersonState::change(std::string& stamps_text) const {
  event::PersonChange out;
  out.project = project;
  out.id = id;
  out.properties = deleted ? std::string_view("{}") : std::string_view(text());
  out.created_at_ms = created_at_ms_;
  out.is_identified = is_identified;
  out.is_deleted = deleted;
  out.version = static_cast<uint64_t>(
      deleted ? std::max<int64_t>(version_floor, 0) + kDeletedVersionStep : version_floor + 1);
  out.last_seen_at_ms = last_seen_at_ms;
  stamps_text = deleted ? std::string() : stamps_bytes();
  out.stamps = stamps_text;
  return out;
}

PersonState* PersonOverlay::add_person(persons::Person person) {
  auto& slot = persons_[person.id];
  if (slot == nullptr) {
    slot = std::make_unique<PersonState>(std::move(person), true);
    person_order_.push_back(slot.get());
  }
  return slot.get();
}

Status PersonOverlay::fetch(const std::vector<persons::DistinctIdKey>& keys) {
  std::vector<persons::DistinctIdKey> missing;
  std::vector<MappingState*> places;
  mappings_.reserve(mappings_.size() + keys.size());
  missing.reserve(keys.size());
  places.reserve(keys.size());
  for (const persons::DistinctIdKey& key : keys) {
    auto& slot = mappings_[lookup_key(key.project, key.distinct_id)];
    if (slot != nullptr) continue;
    slot = std::make_unique<MappingState>();
    slot->project = key.project;
    slot->distinct_id = key.distinct_id;
    missing.push_back(key);
    places.push_back(slot.get());
  }
  if (missing.empty()) return {};
  auto found = store_.fetch(missing);
  if (!found) {
    for (const MappingState* place : places) {
      mappings_.erase(lookup_key(place->project, place->distinct_id));
    }
    return std::unexpected(std::move(found).error());
  }
  persons_.reserve(persons_.size() + places.size());
  for (size_t i = 0; i < places.size(); i++) {
    mapping_order_.push_back(places[i]);
    if (!(*found)[i]) {
      PENSTOCK_CHECK(read_last_versions(*places[i]));
      continue;
    }
    places[i]->attached_at_ms = (*found)[i]->attached_at_ms;
    places[i]->person = add_person(std::move(*(*found)[i]));
    places[i]->person->ids.push_back(places[i]);
  }
  return {};
}

Status PersonOverlay::read_last_versions(MappingState& mapping) const {
  if (!store_.has_deleted_ids(mapping.project)) return {};
  PENSTOCK_TRY(const auto last,
               store_.last_versions(mapping.project, mapping.distinct_id,
                                    persons::person_uuid(mapping.project, mapping.distinct_id)));
  mapping.last_version = last.mapping;
  mapping.last_person = last.person;
  return {};
}

Result<MappingState*> PersonOverlay::mapping(ProjectId project, std::string_view distinct_id) {
  put_lookup_key(lookup_, project, distinct_id);
  if (auto it = mappings_.find(lookup_); it != mappings_.end()) return it->second.get();
  PENSTOCK_CHECK(fetch({{project, std::string(distinct_id)}}));
  return mappings_.find(lookup_)->second.get();
}

PersonState& PersonOverlay::create(MappingState& mapping, int64_t created_at_ms,
                                   Partition partition) {
  persons::Person person;
  person.project = mapping.project;
  person.id = persons::person_uuid(mapping.project, mapping.distinct_id);
  person.created_at_ms = created_at_ms;
  auto& slot = persons_[person.id];
  if (slot != nullptr) {
    // Its first id was taken from it by hand; it is the same person still.
    assign(mapping, *slot, 1, 0, partition);
    return *slot;
  }
  slot = std::make_unique<PersonState>(std::move(person), false, mapping.distinct_id);
  person_order_.push_back(slot.get());
  slot->version_floor = mapping.last_person;
  slot->write = true;
  slot->partition = partition;
  assign(mapping, *slot, 0, 0, partition);
  return *slot;
}

void PersonOverlay::assign(MappingState& mapping, PersonState& person, int64_t version,
                           int64_t at_ms, Partition partition) {
  if (mapping.person != nullptr) std::erase(mapping.person->ids, &mapping);
  mapping.person = &person;
  mapping.version = std::max(version, mapping.last_version + 1);
  mapping.attached_at_ms = std::max(mapping.attached_at_ms, at_ms);
  mapping.changed = true;
  mapping.partition = partition;
  person.ids.push_back(&mapping);
}

Result<bool> PersonOverlay::move_ids(PersonState& source, PersonState& target, size_t ids_max,
                                     int64_t at_ms, Partition partition,
                                     std::vector<Moved>& moved) {
  std::vector<persons::Mapping> stored;
  if (source.only_mapping && source.ids.size() == 1) {
    // All it has; one that came to it or left it in this cycle is known too.
    if (!source.ids.front()->changed) source.ids.front()->version = *source.only_mapping;
  } else if (source.stored) {
    PENSTOCK_TRY(stored, store_.mappings(source.project, source.id, ids_max + 1));
  }
  if (stored.size() + source.ids.size() > ids_max) return false;
  for (const persons::Mapping& m : stored) {
    auto& slot = mappings_[lookup_key(source.project, m.distinct_id)];
    if (slot == nullptr) {
      slot = std::make_unique<MappingState>();
      slot->project = source.project;
      slot->distinct_id = m.distinct_id;
      slot->person = &source;
      slot->attached_at_ms = m.attached_at_ms;
      source.ids.push_back(slot.get());
      mapping_order_.push_back(slot.get());
    }
    // One that moved away earlier in this cycle keeps its newer version and its new person.
    if (!slot->changed) slot->version = m.version;
  }
  size_t bytes = 0;
  for (const MappingState* mapping : source.ids) bytes += mapping->distinct_id.size();
  if (bytes > kMovedBytesMax) return false;
  // From the back, so that taking each one off its person costs nothing.
  while (!source.ids.empty()) {
    MappingState* mapping = source.ids.back();
    source.ids.pop_back();
    mapping->person = nullptr;
    moved.push_back({mapping->distinct_id, mapping->attached_at_ms});
    assign(*mapping, target, mapping->version + 1, at_ms, partition);
  }
  return true;
}

PersonOverlay::Changes PersonOverlay::changes() const {
  Changes out;
  for (const PersonState* p : person_order_) {
    if (!p->write) continue;
    out.persons.push_back({p->partition, p->change(out.stamps.emplace_back()), p->stored});
  }
  for (const MappingState* m : mapping_order_) {
    if (!m->changed) continue;
    out.distinct_ids.push_back(
        {m->partition,
         {m->project, m->distinct_id, m->person->id, false, m->version, m->attached_at_ms}});
  }
  return out;
}

}  // namespace penstock::ingest
