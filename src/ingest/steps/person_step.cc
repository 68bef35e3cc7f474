#include "ingest/steps/person_step.h"

#include <algorithm>
#include <array>

#include "base/json_writer.h"
#include "ingest/steps/key_lists.h"
#include "ingest/steps/text.h"

namespace penstock::ingest {
namespace {

constexpr int64_t kPersonlessCreatedAtMs = 5000;  // 1970-01-01 00:00:05, as PostHog marks them
constexpr int64_t kForceUpgradeAfterMs = 60'000;
constexpr int64_t kHourMs = 3'600'000;
constexpr size_t kPersonBytesMax = 655'360;
/// Ids moved by one merge; a person with more is left where it is, with a warning.
constexpr size_t kMovedIdsMax = 10'000;

constexpr std::array<std::string_view, 10> kIllegalAnyCase{
    "anonymous",         "guest", "distinctid", "distinct_id", "id",
    "not_authenticated", "email", "undefined",  "true",        "false"};
constexpr std::array<std::string_view, 7> kIllegalExact{
    "[object Object]", "NaN", "None", "none", "null", "0", "undefined"};

bool is_illegal_word(std::string_view id) {
  return std::ranges::find(kIllegalExact, id) != kIllegalExact.end() ||
         std::ranges::find(kIllegalAnyCase, lower_ascii(id)) != kIllegalAnyCase.end();
}

int64_t floor_hour(int64_t ms) {
  const int64_t rest = ms % kHourMs;
  return ms - (rest < 0 ? rest + kHourMs : rest);
}

bool never_updates(std::string_view event) { return event == "$exception" || event == "$$heatmap"; }

}  // namespace

bool is_unmergeable(std::string_view id) {
  if (trimmed(id).empty()) return true;
  if (id.find('\0') != std::string_view::npos) return true;
  if (longer_than(id, kDistinctIdCharsMax)) return true;
  if (is_illegal_word(id)) return true;
  if (id.size() < 2 || id.front() != id.back()) return false;
  if (id.front() != '\'' && id.front() != '"') return false;
  return is_illegal_word(id.substr(1, id.size() - 2));
}

Result<RowPerson> PersonStep::run(const Item& item) {
  return item.processing == PersonProcessing::kFull ? run_full(item) : run_personless(item);
}

Result<RowPerson> PersonStep::run_personless(const Item& item) {
  RowPerson row;
  row.mode = event::PersonMode::kPropertyless;
  if (item.processing == PersonProcessing::kPersonless) {
    PENSTOCK_TRY(MappingState * mapping, overlay_.mapping(item.project->id, item.raw.distinct_id));
    if (mapping->person != nullptr) {
      row.id = mapping->person->id;
      row.created_at_ms = mapping->person->created_at_ms;
      if (!item.opted_out && item.timestamp_ms > row.created_at_ms + kForceUpgradeAfterMs) {
        row.mode = event::PersonMode::kForceUpgrade;
      }
      return row;
    }
  }
  row.id = persons::person_uuid(item.project->id, item.raw.distinct_id);
  row.created_at_ms = kPersonlessCreatedAtMs;
  return row;
}

Result<RowPerson> PersonStep::run_full(const Item& item) {
  PENSTOCK_TRY(MappingState * target, overlay_.mapping(item.project->id, item.raw.distinct_id));
  PersonState* person = target->person;
  if (item.merge_with) {
    PENSTOCK_TRY(person, merge(item, *target));
  }
  const bool fresh = person == nullptr || person->fields().empty();
  if (person == nullptr) {
    person = &overlay_.create(*target, item.timestamp_ms, item.source.partition);
    person->last_seen_at_ms = floor_hour(item.timestamp_ms);
  }
  const bool updated = update(item, *person, fresh && !person->stored);
  RowPerson row;
  row.id = person->id;
  row.created_at_ms = person->created_at_ms;
  row.properties = row_properties(item, *person, updated);
  return row;
}

void PersonStep::warn(const Item& item, std::string_view type, std::string_view key_a,
                      std::string_view value_a, std::string_view key_b, std::string_view value_b) {
  JsonWriter w;
  w.begin_object()
      .field(key_a, value_a)
      .field(key_b, value_b)
      .field("eventUuid", item.raw.uuid.text())
      .field("distinctId", item.raw.distinct_id)
      .field("category", "merge")
      .field("severity", "warning")
      .end_object();
  warnings_.push_back({item.project->id, type, w.take(), item.raw.now_ms});
}

void PersonStep::mark_identified(PersonState& person, Partition partition) {
  if (person.is_identified) return;
  person.is_identified = true;
  person.write = true;
  person.partition = partition;
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
  if (source->person != nullptr && target.person != nullptr) {
    if (source->person != target.person) {
      PENSTOCK_TRY(result, merge_both(item, *source, target));
    }
  } else if (source->person != nullptr) {
    result = source->person;
    overlay_.assign(target, *result, 1, partition);
  } else if (target.person != nullptr) {
    overlay_.assign(*source, *result, 1, partition);
  } else {
    result = &overlay_.create(target, item.timestamp_ms, partition);
    result->last_seen_at_ms = floor_hour(item.timestamp_ms);
    overlay_.assign(*source, *result, 1, partition);
  }
  // The person that results is identified, even when the merge itself was refused (ERRATA B3).
  mark_identified(*result, partition);
  return result;
}

Result<PersonState*> PersonStep::merge_both(const Item& item, MappingState& source_id,
                                            MappingState& target_id) {
  PersonState& source = *source_id.person;
  PersonState& target = *target_id.person;
  if (source.is_identified && item.event != "$merge_dangerously") {
    warn(item, "cannot_merge_already_identified", "sourcePersonDistinctId", source_id.distinct_id,
         "targetPersonDistinctId", target_id.distinct_id);
    return &target;
  }
  const Partition partition = item.source.partition;
  PENSTOCK_TRY(const bool moved, overlay_.move_ids(source, target, kMovedIdsMax, partition));
  if (!moved) {
    warn(item, "merge_move_limit_exceeded", "sourcePersonDistinctId", source_id.distinct_id,
         "targetPersonDistinctId", target_id.distinct_id);
    return &target;
  }
  for (const event::JsonFields::Field& f : source.fields().fields()) {
    if (!target.find(f.key)) target.set(f.key, f.value);
  }
  target.created_at_ms = std::min(target.created_at_ms, source.created_at_ms);
  target.version_floor = std::max(target.version_floor, source.version_floor);
  target.write = true;
  target.partition = partition;
  source.deleted = true;
  source.write = true;
  source.partition = partition;
  return &target;
}

bool PersonStep::update(const Item& item, PersonState& person, bool fresh) {
  if (never_updates(item.event) && !fresh) return false;
  const bool person_event = is_merge_event(item.event) || item.event == "$set";
  size_t added = 0;
  for (const auto* from : {&item.set, &item.set_once}) {
    for (const auto& f : from->fields()) added += f.key.size() + f.value.size() + 4;
  }
  if (added > 0 && person.text().size() + added > kPersonBytesMax) {
    JsonWriter w;
    w.begin_object()
        .field("personId", person.id.text())
        .field("distinctId", item.raw.distinct_id)
        .field("eventUuid", item.raw.uuid.text())
        .field("category", "size")
        .field("severity", "error")
        .end_object();
    warnings_.push_back(
        {item.project->id, "person_properties_size_violation", w.take(), item.raw.now_ms});
    return false;
  }
  bool changed = false, worth_writing = false;
  const auto put = [&](const event::JsonFields::Field& f, bool is_new) {
    person.set(f.key, f.value);
    changed = true;
    worth_writing = worth_writing || is_new || !is_suppressed_key(f.key);
  };
  for (const auto& f : item.set_once.fields()) {
    if (!person.find(f.key) && !item.set.contains(f.key)) put(f, true);
  }
  for (const auto& f : item.set.fields()) {
    const auto old = person.find(f.key);
    if (!old || *old != f.value) put(f, !old);
  }
  for (const std::string& key : item.unset) {
    if (!person.find(key)) continue;
    person.erase(key);
    changed = worth_writing = true;
  }
  if (fresh) {
    std::string uuid;
    event::append_json_string(uuid, item.raw.uuid.text());
    person.set("$creator_event_uuid", uuid);
  }
  if (changed && (worth_writing || person_event)) person.write = true;
  if (changed || fresh) person.partition = item.source.partition;
  return true;
}

/// The person after this event, overlaid by the event's own $set.
std::string_view PersonStep::row_properties(const Item& item, const PersonState& person,
                                            bool updated) {
  const bool unset_again = std::ranges::any_of(
      item.unset, [&](const std::string& key) { return item.set.contains(key); });
  if ((updated && !unset_again) || item.set.empty()) return person.text();
  auto fields = event::JsonFields::parse(person.text());
  if (!fields) return person.text();
  for (const auto& f : item.set.fields()) fields->set(f.key, f.value);
  scratch_.clear();
  fields->append_to(scratch_);
  return scratch_;
}

}  // namespace penstock::ingest
