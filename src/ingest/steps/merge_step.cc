// The merges of the person step (contract section 4), their guards and their notes.
#include <algorithm>

#include "ingest/steps/person_step.h"
#include "ingest/steps/text.h"

namespace penstock::ingest {
namespace {

constexpr int64_t kHourMs = 3'600'000;

int64_t floor_hour(int64_t ms) {
  const int64_t rest = ms % kHourMs;
  return ms - (rest < 0 ? rest + kHourMs : rest);
}

const catalog::MergeSettings& settings_of(const Item& item) {
  return item.project->settings->merges;
}

}  // namespace

MergeNote& PersonStep::note(const Item& item, const PersonState* source,
                            const PersonState* target) {
  MergeNote& out = notes_.emplace_back();
  out.project = item.project->id;
  out.event_uuid = item.raw.uuid;
  out.event = item.event;
  out.source_id = *item.merge_with;
  out.target_id = item.raw.distinct_id;
  out.source = snapshot_of(source);
  out.target = snapshot_of(target);
  return out;
}

/// A device that is one identified person's already is told to be another's: a shared device, or
/// somebody who has two accounts.
Result<bool> PersonStep::guard_refuses(const Item& item, const MappingState& source,
                                       const MappingState& target) {
  if (item.event != "$identify") return false;
  const auto raw = item.properties.find("$device_id");
  if (!raw || event::json_type(*raw) != event::JsonType::kString) return false;
  const std::string device = event::decode_string(*raw);
  if (is_unmergeable(device) || device == source.distinct_id || device == target.distinct_id) {
    return false;
  }
  PENSTOCK_TRY(const MappingState* owner, overlay_.mapping(item.project->id, device));
  if (owner->person == nullptr || !owner->person->is_identified || owner->person == target.person ||
      owner->person == source.person) {
    return false;
  }
  const bool refuse = settings_of(item).shared_device == catalog::MergeGuard::kRefuse;
  warn(item, refuse ? "merge_refused_shared_device" : "merge_shared_device", "deviceId", device,
       "otherPersonId", owner->person->id.text());
  return refuse;
}

Result<PersonState*> PersonStep::merge(const Item& item, MappingState& target) {
  const std::string_view other = *item.merge_with;
  const std::string_view into = item.raw.distinct_id;
  if (other == into) return target.person;
  for (const auto& [illegal, fine] : {std::pair{into, other}, std::pair{other, into}}) {
    if (!is_unmergeable(illegal)) continue;
    warn(item, "cannot_merge_with_illegal_distinct_id", "illegalDistinctId", illegal,
         "otherDistinctId", fine);
    return target.person;
  }
  PENSTOCK_TRY(MappingState * source, overlay_.mapping(item.project->id, other));
  const Partition partition = item.source.partition;
  PersonState* result = target.person;
  const bool together = source->person != nullptr && source->person == target.person;
  bool refused = false;
  if (!together) {
    PENSTOCK_TRY(refused, guard_refuses(item, *source, target));
  }
  if (together || (refused && result != nullptr)) {
    // Nothing to do, or nothing that may be done.
  } else if (source->person != nullptr && target.person != nullptr) {
    PENSTOCK_TRY(result, merge_both(item, *source, target));
  } else if (source->person != nullptr && !refused) {
    result = source->person;
    MergeNote& made = note(item, result, nullptr);
    made.result = result->id;
    made.moved.push_back({std::string(into), 0});
    overlay_.assign(target, *result, 1, item.timestamp_ms, partition);
  } else if (target.person != nullptr) {
    MergeNote& made = note(item, nullptr, result);
    made.result = result->id;
    made.moved.push_back({std::string(other), 0});
    overlay_.assign(*source, *result, 1, item.timestamp_ms, partition);
  } else {
    result = &overlay_.create(target, item.timestamp_ms, partition);
    result->last_seen_at_ms = floor_hour(item.timestamp_ms);
    if (!refused) {
      MergeNote& made = note(item, nullptr, nullptr);
      made.result = result->id;
      made.moved.push_back({std::string(other), 0});
      overlay_.assign(*source, *result, 1, item.timestamp_ms, partition);
    }
  }
  // The person that results is identified, even when the merge itself was refused (ERRATA B3).
  mark_identified(*result, partition);
  return result;
}

/// Only $merge_dangerously takes an identified person into another.
bool PersonStep::identified_refuses(const Item& item, const MappingState& source,
                                    const MappingState& target) {
  if (!source.person->is_identified) return false;
  const bool refuse = item.event != "$merge_dangerously" ||
                      settings_of(item).identified_into_identified == catalog::MergeGuard::kRefuse;
  warn(item, refuse ? "cannot_merge_already_identified" : "merge_of_identified_persons",
       "sourcePersonDistinctId", source.distinct_id, "targetPersonDistinctId", target.distinct_id);
  return refuse;
}

/// False: they are too many.
Result<bool> PersonStep::move_ids(const Item& item, const MappingState& source_id,
                                  const MappingState& target_id, MergeNote& made) {
  const catalog::MergeSettings& settings = settings_of(item);
  const int64_t ids_max = settings.too_many_ids == catalog::MergeGuard::kRefuse
                              ? settings.ids_max
                              : catalog::kMovedIdsMax;
  PENSTOCK_TRY(const bool moved,
               overlay_.move_ids(*source_id.person, *target_id.person, static_cast<size_t>(ids_max),
                                 item.timestamp_ms, item.source.partition, made.moved));
  if (!moved || std::cmp_greater(made.moved.size(), settings.ids_max)) {
    warn(item, moved ? "merge_moved_many_ids" : "merge_move_limit_exceeded",
         "sourcePersonDistinctId", made.source_id, "targetPersonDistinctId", made.target_id);
  }
  return moved;
}

void PersonStep::take_properties(const Item& item, const PersonState& source, PersonState& target) {
  for (const event::JsonFields::Field& f : source.fields().fields()) {
    persons::PropertyStamp stamp = source.stamp(f.key);
    const bool overtook = stamp.event_ms > item.timestamp_ms;
    stamp.reached_ms = std::max(stamp.reached_ms, item.timestamp_ms);
    if (target.find(f.key)) {
      const persons::PropertyStamp present = target.stamp(f.key);
      // Up to the merge itself the target keeps its own, at equal times too.
      if (!overtook && present.reached_ms <= item.timestamp_ms) continue;
      if (stamp.once != present.once) continue;
      if (!(stamp.once ? persons::set_once_replaces(stamp, present)
                       : persons::set_is_later(stamp, present))) {
        continue;
      }
    }
    target.put(f.key, f.value, stamp);
  }
}

Result<PersonState*> PersonStep::merge_both(const Item& item, MappingState& source_id,
                                            MappingState& target_id) {
  PersonState& source = *source_id.person;
  PersonState& target = *target_id.person;
  if (identified_refuses(item, source_id, target_id)) return &target;
  const Partition partition = item.source.partition;
  MergeNote& made = note(item, &source, &target);
  made.result = target.id;
  const auto moved = move_ids(item, source_id, target_id, made);
  if (!moved || !*moved) {
    notes_.pop_back();
    if (!moved) return std::unexpected(moved.error());
    return &target;
  }
  target.begins_at(source.created_at_ms());
  if (item.project->settings->ingestion.person_last_seen) {
    target.last_seen_at_ms = std::max(target.last_seen_at_ms, source.last_seen_at_ms);
  }
  take_properties(item, source, target);
  target.version_floor = std::max(target.version_floor, source.version_floor);
  target.write = true;
  target.partition = partition;
  source.deleted = true;
  source.write = true;
  source.partition = partition;
  return &target;
}

}  // namespace penstock::ingest
