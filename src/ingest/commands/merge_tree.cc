#include "ingest/commands/merge_tree.h"

#include <algorithm>
#include <unordered_set>

namespace penstock::ingest {

Status MergeTree::load(const Uuid& person) {
  std::vector<Uuid> waiting{person};
  std::set<Uuid> seen{person};
  const auto follow = [&](const Uuid& id) {
    if (!id.is_nil() && seen.insert(id).second) waiting.push_back(id);
  };
  while (!waiting.empty()) {
    if (seen.size() > kUndoPersonsMax) {
      return fail(Code::kExhausted, "more persons were merged since than can be followed");
    }
    const Uuid at = waiting.back();
    waiting.pop_back();
    PENSTOCK_TRY(persons::MergeHistory history, store_.merges(project_, at));
    for (std::string& bytes : history.records) {
      auto entry = std::make_unique<Entry>();
      entry->bytes = std::move(bytes);
      PENSTOCK_TRY(const auto record, event::decode_processed(entry->bytes));
      const auto* merge = std::get_if<event::PersonMerge>(&record);
      if (merge == nullptr) return fail(Code::kCorrupt, "a merge's record is of another kind");
      entry->merge = *merge;
      if (const auto p = event::PersonMerge::person(merge->source)) entry->source_person = p->id;
      if (const auto p = event::PersonMerge::person(merge->target)) entry->target_person = p->id;
      follow(entry->source_person);
      follow(entry->target_person);
      follow(merge->result);
      auto& slot = entries_[order_of(*merge)];
      if (slot == nullptr) slot = std::move(entry);
    }
  }
  return {};
}

const MergeTree::Entry* MergeTree::find(const Uuid& event) const {
  const Entry* undone = nullptr;
  for (const Entry* entry : about(event)) {
    if (!entry->merge.undone) return entry;
    undone = entry;
  }
  return undone;
}

std::vector<const MergeTree::Entry*> MergeTree::about(const Uuid& event) const {
  std::vector<const Entry*> out;
  for (const auto& [order, entry] : entries_) {
    if (entry->merge.event_uuid == event) out.push_back(entry.get());
  }
  return out;
}

bool MergeTree::is_undone(const Uuid& event) const {
  const std::vector<const Entry*> found = about(event);
  return !found.empty() &&
         std::ranges::all_of(found, [](const Entry* e) { return e->merge.undone; });
}

std::vector<const MergeTree::Entry*> MergeTree::all() const {
  std::vector<const Entry*> out;
  for (const auto& [order, entry] : entries_) out.push_back(entry.get());
  return out;
}

MergeTree::Ids MergeTree::moved_ids(const Entry& merge) {
  Ids out;
  const event::PersonMerge& m = merge.merge;
  for (size_t i = 0; i < m.moved.size(); i++) {
    out.push_back({std::string(m.moved[i]), m.moved_attached_ms[i]});
  }
  return out;
}

Result<MergeTree::Ids> MergeTree::ids_before(const Uuid& person, const Entry& merge) const {
  const Order from = order_of(merge.merge);
  Ids ids;
  std::unordered_set<std::string_view> since;
  const Entry* went = nullptr;
  for (auto it = entries_.lower_bound(from); it != entries_.end() && went == nullptr; ++it) {
    const Entry& e = *it->second;
    if (e.merge.result == person) {
      since.insert(e.merge.moved.begin(), e.merge.moved.end());
    } else if (e.source_person == person) {
      went = &e;
    }
  }
  if (went != nullptr) {
    ids = moved_ids(*went);
  } else {
    PENSTOCK_TRY(const auto mappings, store_.mappings(project_, person, kUndoIdsMax + 1));
    if (mappings.size() > kUndoIdsMax) {
      return fail(Code::kExhausted, "a person with too many distinct ids");
    }
    for (const persons::Mapping& m : mappings) ids.push_back({m.distinct_id, m.attached_at_ms});
  }
  std::erase_if(ids, [&](const auto& id) { return since.contains(id.distinct_id); });
  return ids;
}

}  // namespace penstock::ingest
