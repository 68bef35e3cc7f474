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
constexpr size_t kTrimmedPersonBytes = 524'288;

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

/// ERRATA A12.
bool follows_last_seen(const Item& item) {
  if (!item.project->settings->ingestion.person_last_seen) return false;
  const auto wish = item.properties.find("$update_person_last_seen_at");
  return !wish || *wish != "false";
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
  row.why = event::PersonWhy::kPersonless;
  if (item.processing == PersonProcessing::kPersonless) {
    PENSTOCK_TRY(MappingState * mapping, overlay_.mapping(item.project->id, item.raw.distinct_id));
    if (mapping->person != nullptr) {
      row.why = event::PersonWhy::kPersonlessExisting;
      row.id = mapping->person->id;
      row.created_at_ms = mapping->person->created_at_ms();
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
  RowPerson row;
  if (item.merge_with) {
    const size_t merges = notes_.size();
    PENSTOCK_TRY(person, merge(item, *target));
    if (notes_.size() > merges) row.why = event::PersonWhy::kMerged;
  }
  if (person == nullptr) {
    row.why = event::PersonWhy::kCreated;
    person = &overlay_.create(*target, item.timestamp_ms, item.source.partition);
    person->last_seen_at_ms = floor_hour(item.timestamp_ms);
  }
  // Whoever was created by an event has at least its uuid among the properties.
  const bool fresh = !person->stored && person->fields().empty();
  // An event from before its id was merged into the person would have come with that merge.
  if (target->attached_at_ms != 0) {
    if (item.timestamp_ms < person->created_at_ms()) {
      person->write = true;
      person->partition = item.source.partition;
    }
    person->begins_at(item.timestamp_ms);
  }
  const persons::PropertyStamp stamp{item.timestamp_ms,
                                     std::max(item.timestamp_ms, target->attached_at_ms),
                                     persons::writer_of(item.raw.distinct_id)};
  const bool updated = update(item, *person, stamp, fresh);
  if (follows_last_seen(item)) see(*person, item);
  row.id = person->id;
  row.created_at_ms = person->created_at_ms();
  if (fresh && row.why == event::PersonWhy::kExisting) row.why = event::PersonWhy::kCreated;
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

/// An hour that is later than the last one is worth a write of its own.
void PersonStep::see(PersonState& person, const Item& item) {
  if (never_updates(item.event)) return;
  const int64_t hour = floor_hour(item.timestamp_ms);
  if (person.last_seen_at_ms && *person.last_seen_at_ms >= hour) return;
  person.last_seen_at_ms = hour;
  person.write = true;
  person.partition = item.source.partition;
}

void PersonStep::mark_identified(PersonState& person, Partition partition) {
  if (person.is_identified) return;
  person.is_identified = true;
  person.write = true;
  person.partition = partition;
}

bool PersonStep::update(const Item& item, PersonState& person, persons::PropertyStamp stamp,
                        bool fresh) {
  if (never_updates(item.event) && !fresh) return false;
  const bool fits = has_room(item, person);
  stamp.once = true;
  // Who was never merged has one distinct id, whose events come in order.
  const bool may_precede = person.is_identified && stamp.reached_ms <= person.latest_once_ms();
  gather(item, person, stamp, may_precede, fits);
  const bool first =
      fresh || (may_precede && set_once_replaces(stamp, person.stamp("$creator_event_uuid")));
  const bool person_event = is_merge_event(item.event) || item.event == "$set";
  const bool write = first || changes_.worth_writing || (changes_.any() && person_event);
  if (write) {
    for (const auto* f : changes_.once) person.put(f->key, f->value, stamp);
    stamp.once = false;
    for (const auto* f : changes_.set) put_set(person, *f, stamp);
    for (const std::string* key : changes_.unset) person.erase(*key);
    person.write = true;
    person.partition = item.source.partition;
  }
  if (first) {
    std::string uuid;
    event::append_json_string(uuid, item.raw.uuid.text());
    stamp.once = true;
    person.put("$creator_event_uuid", uuid, stamp);
  }
  return fits && !changes_.overruled && (write || !changes_.any());
}

/// Within one distinct id the last to arrive has its way, and its latest time counts.
void PersonStep::put_set(PersonState& person, const event::JsonFields::Field& f,
                         persons::PropertyStamp stamp) {
  if (person.find(f.key)) {
    const persons::PropertyStamp present = person.stamp(f.key);
    if (!present.once && present.writer == stamp.writer && set_is_later(present, stamp)) {
      stamp = present;
    }
  }
  person.put(f.key, f.value, stamp);
}

/// What the event would change; decided per event, so that results do not depend on batch edges.
void PersonStep::gather(const Item& item, const PersonState& person,
                        const persons::PropertyStamp& once, bool may_precede, bool fits) {
  changes_.clear();
  if (!fits) return;
  for (const auto& f : item.set_once.fields()) {
    if (item.set.contains(f.key)) continue;
    if (person.find(f.key)) {
      if (!may_precede || !set_once_replaces(once, person.stamp(f.key))) continue;
    }
    changes_.once.push_back(&f);
    changes_.worth_writing = true;
  }
  persons::PropertyStamp set = once;
  set.once = false;
  for (const auto& f : item.set.fields()) {
    const auto old = person.find(f.key);
    if (old && *old == f.value) continue;
    if (old && person.is_identified && !set_replaces(set, person.stamp(f.key))) {
      changes_.overruled = true;
      continue;
    }
    changes_.set.push_back(&f);
    if (!old || !is_suppressed_key(f.key)) changes_.worth_writing = true;
  }
  for (const std::string& key : item.unset) {
    if (!person.find(key) && !item.set.contains(key) && !item.set_once.contains(key)) continue;
    changes_.unset.push_back(&key);
    changes_.worth_writing = true;
  }
}

/// False, with a warning: the person would grow beyond what may be stored. One that is beyond it
/// already is trimmed.
bool PersonStep::has_room(const Item& item, PersonState& person) {
  size_t added = 0;
  for (const auto* from : {&item.set, &item.set_once}) {
    for (const auto& f : from->fields()) added += f.key.size() + f.value.size() + 4;
  }
  if (added == 0 || person.text().size() + added <= kPersonBytesMax) return true;
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
  if (person.text().size() > kPersonBytesMax) trim(person, item.source.partition);
  return false;
}

void PersonStep::trim(PersonState& person, Partition partition) {
  std::vector<std::string> keys;
  for (const auto& f : person.fields().fields()) {
    if (!is_kept_when_trimmed(f.key)) keys.emplace_back(f.key);
  }
  std::ranges::sort(keys);
  size_t bytes = person.text().size();
  for (const std::string& key : keys) {
    if (bytes <= kTrimmedPersonBytes) break;
    bytes -= std::min(bytes, key.size() + person.find(key)->size() + 4);
    person.erase(key);
  }
  person.write = true;
  person.partition = partition;
}

/// The person after this event, overlaid by the event's own $set.
std::string_view PersonStep::row_properties(const Item& item, const PersonState& person,
                                            bool updated) {
  const bool unset_again = std::ranges::any_of(
      item.unset, [&](const std::string& key) { return item.set.contains(key); });
  if ((updated && !unset_again) || item.set.empty()) return person.text();
  scratch_.clear();
  person.fields().append_overlaid(item.set, scratch_);
  return scratch_;
}

}  // namespace penstock::ingest
