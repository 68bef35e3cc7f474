#include "ingest/commands/what_if.h"

#include <algorithm>

#include "base/probe.h"
#include "event/json_equal.h"
#include "ingest/steps/profile.h"
#include "ingest/steps/sanitise.h"
#include "kv/key_value.h"

namespace penstock::ingest {
namespace {

/// Events after which the overlay gives its memory back.
constexpr size_t kEventsPerFlush = 500;
constexpr size_t kIdsPerFetch = 1000;
constexpr uint64_t kDeletedVersionStep = 100;

bool is_of_persons(const event::Outcome& o) {
  return o.kind == event::OutcomeKind::kAccepted && o.source.lane != event::Lane::kReplay &&
         !o.row.heatmap_only && o.row.person_mode == event::PersonMode::kFull;
}

/// The event as the person step saw it; rows keep what it set in their properties.
Result<Item> item_of(const event::Outcome& o, const catalog::Project& project) {
  Item item;
  item.raw.uuid = o.uuid;
  item.raw.project = o.project;
  item.raw.distinct_id = o.row.distinct_id;
  item.raw.event = o.row.event;
  item.raw.now_ms = o.received_ms;
  item.raw.timestamp_ms = o.row.timestamp_ms;
  item.source = o.source;
  item.project = &project;
  item.event = o.row.event;
  item.timestamp_ms = o.row.timestamp_ms;
  PENSTOCK_TRY(item.properties, event::JsonFields::parse(o.row.properties));
  sanitise(item);
  return item;
}

}  // namespace

WhatIf::WhatIf(const persons::PersonStore& real, const MergeTree& tree,
               const MergeTree::Entry& merge)
    : real_(real),
      tree_(tree),
      merge_(merge),
      store_(persons::make_person_store(kv::make_memory_kv())) {
  project_.id = merge.merge.project;
  const event::PersonMerge& m = merge.merge;
  source_ = m.source.empty() ? persons::person_uuid(m.project, m.source_id) : merge.source_person;
  target_ = m.target.empty() ? persons::person_uuid(m.project, m.target_id) : merge.target_person;
  sides_[source_] = Side::kSource;
  sides_[target_] = Side::kTarget;
  persons_ = {source_, target_};
}

Status WhatIf::put(const event::PersonChange& person, const MergeTree::Ids& ids) {
  persons::PersonUpdates updates;
  updates.persons.push_back(person);
  updates.persons.back().is_deleted = false;
  for (const auto& id : ids) {
    updates.distinct_ids.push_back(
        {person.project, id.distinct_id, person.id, false, 0, id.attached_at_ms});
    ids_.insert(id.distinct_id);
  }
  persons_.insert(person.id);
  return store_->apply(updates, {});
}

Status WhatIf::begin(bool reaches_back) {
  const event::PersonMerge& m = merge_.merge;
  started_ = !reaches_back;
  if (const auto source = event::PersonMerge::person(m.source)) {
    MergeTree::Ids ids = MergeTree::moved_ids(merge_);
    if (m.target.empty()) {
      PENSTOCK_TRY(ids, tree_.ids_before(source->id, merge_));
    }
    PENSTOCK_CHECK(put(*source, ids));
  }
  if (auto target = event::PersonMerge::person(m.target)) {
    PENSTOCK_TRY(const auto ids, tree_.ids_before(target->id, merge_));
    std::string text;
    if (!reaches_back) {
      PENSTOCK_TRY(*target, without_the_source(text));
    }
    PENSTOCK_CHECK(put(*target, ids));
  }
  overlay_ = std::make_unique<PersonOverlay>(*store_);
  step_ = std::make_unique<PersonStep>(*overlay_, warnings_, notes_);
  return {};
}

/// What is left of the log begins after the merge: whoever stayed keeps what it has now, but for
/// properties that only the other one had and that are still what they were.
Result<event::PersonChange> WhatIf::without_the_source(std::string& text) const {
  event::PersonChange out = *event::PersonMerge::person(merge_.merge.target);
  PENSTOCK_TRY(const auto now, real_.fetch({{out.project, std::string(merge_.merge.target_id)}}));
  if (!now[0]) return out;
  auto fields = event::JsonFields::parse(now[0]->properties);
  const auto before = event::JsonFields::parse(out.properties);
  const auto source = event::PersonMerge::person(merge_.merge.source);
  const auto brought = event::JsonFields::parse(source ? source->properties : "{}");
  if (!fields || !before || !brought) return out;
  for (const event::JsonFields::Field& f : brought->fields()) {
    const auto value = fields->find(f.key);
    if (value && *value == f.value && !before->contains(f.key)) fields->erase(f.key);
  }
  text = fields->text();
  out.properties = text;
  return out;
}

Result<WhatIf::Side> WhatIf::side_of(std::string_view id) {
  if (!knows(id)) {
    if (id == merge_.merge.source_id && merge_.merge.source.empty()) return Side::kSource;
    if (id == merge_.merge.target_id && merge_.merge.target.empty()) return Side::kTarget;
    return Side::kNone;
  }
  PENSTOCK_TRY(const MappingState* mapping, overlay_->mapping(project_.id, id));
  if (mapping->person == nullptr) return Side::kNone;
  const auto it = sides_.find(mapping->person->id);
  return it == sides_.end() ? Side::kNone : it->second;
}

/// The person of the other side of a merge, as the record of it says it was.
Status WhatIf::bring(const event::PersonChange& person, const MergeTree::Entry& by,
                     std::string_view named) {
  if (!persons_.contains(person.id)) {
    MergeTree::Ids ids = MergeTree::moved_ids(by);
    if (by.source_person != person.id || by.merge.result == person.id) {
      PENSTOCK_TRY(ids, tree_.ids_before(person.id, by));
    }
    std::erase_if(ids, [&](const auto& id) { return knows(id.distinct_id); });
    PENSTOCK_CHECK(flush());
    return put(person, ids);
  }
  // Its other ids are here already; this one was given to it by hand.
  PENSTOCK_CHECK(flush());
  ids_.emplace(named);
  persons::PersonUpdates updates;
  updates.distinct_ids.push_back({project_.id, named, person.id, false, 0});
  return store_->apply(updates, {});
}

Result<bool> WhatIf::settle_merge(Item& item, bool& refused) {
  refused = false;
  const std::string_view into = item.raw.distinct_id;
  const bool is_the_merge = item.raw.uuid == merge_.merge.event_uuid;
  PENSTOCK_TRY(const Side b, side_of(into));
  const bool knows_into = knows(into) || b != Side::kNone;
  if (is_the_merge || !item.merge_with || tree_.is_undone(item.raw.uuid)) {
    item.merge_with.reset();
    return is_the_merge || knows_into;
  }
  const std::string other = *item.merge_with;
  if (other == into || is_unmergeable(into) || is_unmergeable(other)) return knows_into;
  PENSTOCK_TRY(const Side a, side_of(other));
  const bool knows_other = knows(other) || a != Side::kNone;
  if (!knows_other && !knows_into) return false;
  passed_.insert(item.raw.uuid);
  if (knows_other && knows_into) {
    if (a != b && a != Side::kNone && b != Side::kNone) item.merge_with.reset();
    return true;
  }
  const MergeTree::Entry* by = tree_.find(item.raw.uuid);
  if (by == nullptr) {  // it was refused, and stays so
    item.merge_with.reset();
    refused = knows_into;
    return knows_into;
  }
  const auto person = event::PersonMerge::person(knows_other ? by->merge.target : by->merge.source);
  if (person) PENSTOCK_CHECK(bring(*person, *by, knows_other ? into : std::string_view(other)));
  return true;
}

Status WhatIf::take(const event::Outcome& o) {
  if (o.project != project_.id || !is_of_persons(o)) return {};
  if (!started_) {
    if (o.uuid != merge_.merge.event_uuid) return {};
    started_ = true;
  }
  const bool merges = is_merge_event(o.row.event);
  if (!merges && !knows(o.row.distinct_id)) {
    PENSTOCK_TRY(const Side side, side_of(o.row.distinct_id));
    if (side == Side::kNone) return {};
  }
  PENSTOCK_TRY(Item item, item_of(o, project_));
  bool refused = false;
  if (merges) {
    (void)read_merge(item, warnings_);
    PENSTOCK_TRY(const bool ours, settle_merge(item, refused));
    if (!ours) return {};
  }
  return run(item, refused);
}

Status WhatIf::run(const Item& item, bool refused) {
  const size_t before = notes_.size();
  PENSTOCK_TRY(Side side, side_of(item.raw.distinct_id));
  if (item.merge_with) {
    PENSTOCK_TRY(const Side other, side_of(*item.merge_with));
    if (side == Side::kNone) side = other;
  }
  PENSTOCK_CHECK(step_->run(item));
  warnings_.clear();
  events_++;
  PENSTOCK_TRY(const MappingState* mapping, overlay_->mapping(project_.id, item.raw.distinct_id));
  if (mapping->person == nullptr) return {};
  if (refused && !mapping->person->is_identified) {
    mapping->person->is_identified = mapping->person->write = true;
  }
  ids_.insert(std::string(item.raw.distinct_id));
  persons_.insert(mapping->person->id);
  if (side != Side::kNone) sides_[mapping->person->id] = side;
  if (notes_.size() > before) {
    for (const auto& id : notes_.back().moved) ids_.insert(id.distinct_id);
    made_[item.raw.uuid] = std::move(notes_.back());
    notes_.clear();
  }
  if (++unflushed_ < kEventsPerFlush) return {};
  return flush();
}

Status WhatIf::flush() {
  unflushed_ = 0;
  const PersonOverlay::Changes changes = overlay_->changes();
  persons::PersonUpdates updates;
  for (const auto& p : changes.persons) {
    updates.persons.push_back(p.change);
    persons_.insert(p.change.id);
  }
  for (const auto& d : changes.distinct_ids) updates.distinct_ids.push_back(d.change);
  PENSTOCK_CHECK(store_->apply(updates, {}));
  overlay_ = std::make_unique<PersonOverlay>(*store_);
  step_ = std::make_unique<PersonStep>(*overlay_, warnings_, notes_);
  return {};
}

size_t WhatIf::ids_of(const Uuid& person) const {
  const auto ids = store_->distinct_ids(project_.id, person, kUndoIdsMax);
  return ids ? ids->size() : 0;
}

std::unordered_set<std::string> WhatIf::every_id() const {
  std::unordered_set<std::string> every = ids_;
  for (const MergeTree::Entry* e : tree_.all()) {
    if (e != &merge_ && !passed_.contains(e->merge.event_uuid)) continue;
    for (std::string_view id : e->merge.moved) every.emplace(id);
  }
  return every;
}

/// Whether it has an id that this undo says nothing of, and which would be left without a person.
Result<bool> WhatIf::has_others(const Uuid& person,
                                const std::unordered_set<std::string>& every) const {
  PENSTOCK_TRY(const auto mappings, real_.mappings(project_.id, person, kUndoIdsMax));
  return std::ranges::any_of(
      mappings, [&](const persons::Mapping& m) { return !every.contains(m.distinct_id); });
}

Status WhatIf::compare_persons(std::vector<std::string>& out) {
  const std::unordered_set<std::string> every = every_id();
  for (const Uuid& id : persons_) {
    PENSTOCK_TRY(const auto wanted, store_->get(project_.id, id));
    PENSTOCK_TRY(const auto is, real_.get(project_.id, id));
    if (!wanted && !is) continue;
    if (!wanted) {
      // One that was never here is none of ours, whatever its uuid.
      PENSTOCK_TRY(const auto here, store_->last_versions(project_.id, "", id));
      if (here.person < 0) continue;
      PENSTOCK_TRY(const bool stays, has_others(id, every));
      if (stays) {
        probe<"ingest.undo_leaves_a_person">();
        continue;
      }
    }
    PENSTOCK_TRY(const auto last, real_.last_versions(project_.id, "", id));
    // A store may keep JSON in a form of its own, as jsonb does.
    if (wanted && is && event::json_equal(wanted->properties, is->properties) &&
        wanted->stamps == is->stamps && wanted->created_at_ms == is->created_at_ms &&
        wanted->is_identified == is->is_identified) {
      continue;
    }
    event::PersonChange change;
    change.project = project_.id;
    change.id = id;
    change.properties = "{}";
    if (wanted) {
      change.properties = wanted->properties;
      change.created_at_ms = wanted->created_at_ms;
      change.is_identified = wanted->is_identified;
      change.last_seen_at_ms = wanted->last_seen_at_ms;
      change.stamps = wanted->stamps;
      change.version = static_cast<uint64_t>(last.person + 1);
    } else {
      change.created_at_ms = is->created_at_ms;
      change.is_deleted = true;
      change.version = static_cast<uint64_t>(last.person) + kDeletedVersionStep;
    }
    event::encode(change, out.emplace_back());
  }
  return {};
}

/// An id that somebody gave to a person of its own meanwhile is left there; one that only a merge
/// brought, and that did nothing else, has no person.
Status WhatIf::compare_ids(std::vector<std::string>& out) {
  const std::unordered_set<std::string> every = every_id();
  const std::vector<std::string> all(every.begin(), every.end());
  for (size_t from = 0; from < all.size(); from += kIdsPerFetch) {
    std::vector<persons::DistinctIdKey> keys;
    for (size_t i = from; i < std::min(all.size(), from + kIdsPerFetch); i++) {
      keys.push_back({project_.id, all[i]});
    }
    PENSTOCK_TRY(const auto wanted, store_->fetch(keys));
    PENSTOCK_TRY(const auto is, real_.fetch(keys));
    for (size_t i = 0; i < keys.size(); i++) {
      if (!is[i]) continue;
      if (wanted[i] && wanted[i]->id == is[i]->id &&
          wanted[i]->attached_at_ms == is[i]->attached_at_ms) {
        continue;
      }
      if (!persons_.contains(is[i]->id)) continue;
      const Uuid& whose = wanted[i] ? wanted[i]->id : is[i]->id;
      PENSTOCK_TRY(const auto last, real_.last_versions(project_.id, keys[i].distinct_id, whose));
      event::encode(
          event::DistinctIdChange{project_.id, keys[i].distinct_id, whose, !wanted[i],
                                  last.mapping + 1, wanted[i] ? wanted[i]->attached_at_ms : 0},
          out.emplace_back());
    }
  }
  return {};
}

/// The history says what happened now: the merge is undone, and later ones are what they became.
void WhatIf::compare_merges(std::vector<std::string>& out) {
  for (const MergeTree::Entry* e : tree_.all()) {
    const bool is_the_merge = e == &merge_;
    if (!is_the_merge && (e->merge.undone || !passed_.contains(e->merge.event_uuid))) continue;
    event::PersonMerge record = e->merge;
    record.revision++;
    const auto made = made_.find(e->merge.event_uuid);
    if (made == made_.end()) {
      record.undone = true;
    } else if (made->second.result == record.result) {
      const event::PersonMerge now = made->second.record();
      record.source = now.source;
      record.target = now.target;
      record.moved = now.moved;
      record.moved_attached_ms = now.moved_attached_ms;
    } else {
      event::PersonMerge now = made->second.record();
      now.time_ms = record.time_ms;
      now.place = record.place;
      now.positions = record.positions;
      event::encode(now, out.emplace_back());
      record.undone = true;
    }
    event::encode(record, out.emplace_back());
  }
}

Result<std::vector<std::string>> WhatIf::differences() {
  PENSTOCK_CHECK(flush());
  std::vector<std::string> out;
  PENSTOCK_CHECK(compare_persons(out));
  PENSTOCK_CHECK(compare_ids(out));
  compare_merges(out);
  return out;
}

}  // namespace penstock::ingest
