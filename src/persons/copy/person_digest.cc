#include <array>
#include <charconv>

#include "base/hash.h"
#include "event/json_fields.h"
#include "event/json_hash.h"
#include "event/processed_record.h"
#include "persons/person_copy.h"
#include "persons/postgres/json_text.h"

namespace penstock::persons {
namespace {

constexpr std::array<std::string_view, PersonDigest::kKinds> kNames{
    "persons",     "deleted persons", "distinct ids", "deleted distinct ids",  "groups",
    "group types", "merges",          "reports",      "counts of older merges"};

/// Members by their last occurrence, as jsonb keeps them.
uint64_t value_hash(std::string_view raw) {
  switch (event::json_type(raw)) {
    case event::JsonType::kObject: {
      const auto fields = event::JsonFields::parse(raw);
      if (!fields) return hash64(raw);
      uint64_t sum = 1;
      for (const auto& field : fields->fields()) sum += hash64(field.key, value_hash(field.value));
      return sum;
    }
    case event::JsonType::kArray: {
      const auto elements = event::split_array(raw);
      if (!elements) return hash64(raw);
      uint64_t sum = 2;
      for (const std::string_view element : *elements) sum = sum * 31 + value_hash(element);
      return sum;
    }
    default: return event::json_hash(raw);
  }
}

class Hash {
 public:
  Hash& number(int64_t v) { return text({reinterpret_cast<const char*>(&v), sizeof v}); }
  Hash& uuid(const Uuid& v) {
    return text({reinterpret_cast<const char*>(v.bytes.data()), v.bytes.size()});
  }
  Hash& text(std::string_view v) {
    value_ = hash64(v, value_);
    return *this;
  }
  Hash& json(std::string_view v) {
    return number(static_cast<int64_t>(value_hash(to_jsonb_text(v))));
  }
  uint64_t value() const { return value_; }

 private:
  uint64_t value_ = 0;
};

struct Entry {
  PersonDigest::Kind kind;
  uint64_t hash;
};

Entry entry_of(const event::PersonChange& p) {
  Hash h;
  h.number(p.project.value).uuid(p.id).number(static_cast<int64_t>(p.version));
  if (p.is_deleted) return {PersonDigest::kDeletedPersons, h.value()};
  h.json(p.properties).number(p.created_at_ms).number(p.is_identified ? 1 : 0);
  h.number(p.last_seen_at_ms.value_or(-1)).text(p.stamps);
  return {PersonDigest::kPersons, h.value()};
}

Entry entry_of(const event::DistinctIdChange& d) {
  Hash h;
  h.number(d.project.value).text(to_postgres_text(d.distinct_id)).uuid(d.person_id);
  h.number(d.version).number(d.attached_at_ms);
  return {d.is_deleted ? PersonDigest::kDeletedIds : PersonDigest::kDistinctIds, h.value()};
}

Entry entry_of(const event::GroupChange& g) {
  Hash h;
  h.number(g.project.value).number(g.type_index).text(to_postgres_text(g.key));
  h.json(g.properties).number(g.created_at_ms).number(static_cast<int64_t>(g.version));
  return {PersonDigest::kGroups, h.value()};
}

Entry entry_of(const event::GroupTypeChange& t) {
  Hash h;
  h.number(t.project.value).number(t.index).text(to_postgres_text(t.name)).number(t.created_at_ms);
  return {PersonDigest::kGroupTypes, h.value()};
}

}  // namespace

Status PersonDigest::add(const PersonPiece& piece) {
  for (const std::string& bytes : piece.records) {
    PENSTOCK_TRY(const event::ProcessedRecord record, event::decode_processed(bytes));
    Entry entry{};
    if (const auto* person = std::get_if<event::PersonChange>(&record)) {
      entry = entry_of(*person);
    } else if (const auto* id = std::get_if<event::DistinctIdChange>(&record)) {
      entry = entry_of(*id);
    } else if (const auto* group = std::get_if<event::GroupChange>(&record)) {
      entry = entry_of(*group);
    } else if (const auto* type = std::get_if<event::GroupTypeChange>(&record)) {
      entry = entry_of(*type);
    } else if (std::holds_alternative<event::PersonMerge>(record)) {
      entry = {kMerges, hash64(bytes)};
    } else if (std::holds_alternative<event::PersonCommandReport>(record)) {
      entry = {kReports, hash64(bytes)};
    } else {
      return fail(Code::kCorrupt, "a person store holds a record of another kind");
    }
    sums[entry.kind].count++;
    sums[entry.kind].hash += entry.hash;
  }
  for (const ForgottenMerges& f : piece.forgotten) {
    sums[kForgotten].count++;
    sums[kForgotten].hash += Hash().number(f.project.value).uuid(f.person).number(f.count).value();
  }
  return {};
}

uint64_t PersonDigest::total() const {
  uint64_t out = 0;
  for (const Sum& sum : sums) out += sum.count;
  return out;
}

std::string PersonDigest::text() const {
  std::string out;
  for (size_t kind = 0; kind < kKinds; kind++) {
    if (sums[kind].count == 0) continue;
    if (!out.empty()) out += ", ";
    out += std::to_string(sums[kind].count) + " " + std::string(kNames[kind]);
  }
  return out.empty() ? "nothing" : out;
}

std::string PersonDigest::difference(const PersonDigest& other) const {
  std::string out;
  for (size_t kind = 0; kind < kKinds; kind++) {
    const Sum &a = sums[kind], &b = other.sums[kind];
    if (a == b) continue;
    if (!out.empty()) out += "; ";
    out += std::string(kNames[kind]) + ": ";
    out += a.count == b.count
               ? "as many (" + std::to_string(a.count) + "), with other content"
               : std::to_string(a.count) + " in one, " + std::to_string(b.count) + " in the other";
  }
  return out;
}

std::string PersonDigest::save() const {
  std::string out;
  for (const Sum& sum : sums) {
    if (!out.empty()) out += ',';
    out += std::to_string(sum.count) + "," + std::to_string(sum.hash);
  }
  return out;
}

Result<PersonDigest> PersonDigest::load(std::string_view text) {
  PersonDigest out;
  const char *at = text.data(), *end = text.data() + text.size();
  for (Sum& sum : out.sums) {
    for (uint64_t* number : {&sum.count, &sum.hash}) {
      const auto [next, error] = std::from_chars(at, end, *number);
      if (error != std::errc()) return fail(Code::kCorrupt, "a digest of persons is cut off");
      at = next < end ? next + 1 : next;
    }
  }
  return out;
}

}  // namespace penstock::persons
