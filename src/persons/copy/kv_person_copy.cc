// Reading and filling the person store of the data directory.
#include <algorithm>
#include <array>

#include "kv/memory_kv.h"
#include "persons/kv/kv_person_store.h"
#include "persons/kv/person_codec.h"
#include "persons/person_copy.h"

namespace penstock::persons {
namespace {

/// Persons before what refers to them, so that a target need not set it aside.
constexpr std::array<char, 7> kOrder{kPersonPrefix,    kMappingPrefix, kGroupPrefix,
                                     kGroupTypePrefix, kMergePrefix,   kReportPrefix,
                                     kForgottenPrefix};
constexpr size_t kHeadBytes = 1 + sizeof(int64_t);  // of a key: prefix and project

Error unreadable() { return {Code::kCorrupt, "a record in the person store cannot be read"}; }

ProjectId project_of(std::string_view key) {
  uint64_t v = 0;
  for (size_t i = 1; i < kHeadBytes && i < key.size(); i++) {
    v = v << 8 | static_cast<uint8_t>(key[i]);
  }
  return {static_cast<int64_t>(v)};
}

bool take_uuid(std::string_view bytes, Uuid& out) {
  if (bytes.size() < out.bytes.size()) return false;
  for (size_t i = 0; i < out.bytes.size(); i++) out.bytes[i] = static_cast<uint8_t>(bytes[i]);
  return true;
}

/// Adds what a key and its value say; false: they cannot be read.
bool add(PersonPiece& out, std::string_view key, std::string_view value) {
  if (key.size() < kHeadBytes) return false;
  const ProjectId project = project_of(key);
  const std::string_view rest = key.substr(kHeadBytes);
  std::string record;
  switch (key.front()) {
    case kPersonPrefix: {
      PersonValue v;
      event::PersonChange p;
      if (!decode_person(value, v) || !take_uuid(rest, p.id)) return false;
      p.project = project;
      p.properties = v.deleted ? "{}" : v.properties;
      p.created_at_ms = v.created_at_ms;
      p.is_identified = v.is_identified;
      p.is_deleted = v.deleted;
      p.version = v.version;
      p.last_seen_at_ms = v.last_seen_at_ms;
      p.stamps = v.stamps;
      event::encode(p, record);
      break;
    }
    case kMappingPrefix: {
      MappingValue v;
      if (!decode_mapping(value, v)) return false;
      event::encode(event::DistinctIdChange{project, rest, v.person_id, v.deleted, v.version,
                                            v.attached_at_ms},
                    record);
      break;
    }
    case kGroupPrefix: {
      GroupValue v;
      if (rest.empty() || !decode_group(value, v)) return false;
      event::encode(event::GroupChange{project, static_cast<uint8_t>(rest.front()), rest.substr(1),
                                       v.properties, v.created_at_ms, v.version},
                    record);
      break;
    }
    case kGroupTypePrefix: {
      GroupTypeValue v;
      if (rest.empty() || !decode_group_type(value, v)) return false;
      event::encode(event::GroupTypeChange{project, static_cast<uint8_t>(rest.front()), v.name,
                                           v.created_at_ms},
                    record);
      break;
    }
    case kForgottenPrefix: {
      ForgottenMerges f{project, {}, decode_number(value)};
      if (!take_uuid(rest, f.person)) return false;
      out.forgotten.push_back(f);
      return true;
    }
    default: record = value;  // merges and reports are kept as their records
  }
  out.records.push_back(std::move(record));
  return true;
}

class KvPersonCopy final : public PersonCopy {
 public:
  explicit KvPersonCopy(const std::shared_ptr<kv::KeyValue>& kv)
      : kv_(kv), store_(make_person_store(kv::make_view(kv))) {}

  Status check() override { return {}; }

  Result<bool> is_empty() override {
    bool empty = true;
    Status s = kv_->scan("", "", [&](std::string_view, std::string_view) {
      empty = false;
      return false;
    });
    if (!s) return std::unexpected(std::move(s).error());
    return empty;
  }

  Result<Size> size() override {
    Size out;
    for (const char prefix : kOrder) {
      const std::string from(1, prefix);
      Status s =
          kv_->scan(from, kv::prefix_end(from), [&](std::string_view key, std::string_view value) {
            out.records++;
            out.bytes += key.size() + value.size();
            return true;
          });
      if (!s) return std::unexpected(std::move(s).error());
    }
    return out;
  }

  Result<PersonPiece> read(const std::string& after, size_t bytes_max) override {
    PersonPiece out;
    const auto* place = std::ranges::find(kOrder, after.empty() ? kOrder.front() : after.front());
    if (place == kOrder.end()) return std::unexpected(unreadable());
    for (bool first = !after.empty(); place != kOrder.end(); place++, first = false) {
      const std::string prefix(1, *place);
      const std::string from = first ? after + '\0' : prefix;
      bool readable = true;
      Status s = kv_->scan(from, kv::prefix_end(prefix),
                           [&](std::string_view key, std::string_view value) {
                             readable = add(out, key, value);
                             out.bytes += key.size() + value.size();
                             out.next = key;
                             return readable && out.bytes < bytes_max;
                           });
      if (s && !readable) s = std::unexpected(unreadable());
      if (!s) return std::unexpected(std::move(s).error());
      if (out.bytes >= bytes_max) return out;
    }
    out.next.clear();
    return out;
  }

  Status write(const PersonPiece& piece) override {
    PENSTOCK_TRY(const PersonUpdates updates,
                 PersonUpdates::of({piece.records.begin(), piece.records.end()}));
    PENSTOCK_CHECK(store_->apply(updates, {}));
    kv::WriteBatch batch;
    for (const ForgottenMerges& f : piece.forgotten) {
      batch.put(merge_prefix(kForgottenPrefix, f.project, f.person), encode_number(f.count));
    }
    if (!batch.empty()) PENSTOCK_CHECK(kv_->write(batch));
    return kv_->flush();
  }

  Result<std::vector<log::Position>> positions() override {
    std::vector<log::Position> out;
    const std::string prefix(1, kAppliedPrefix);
    Status s = kv_->scan(
        prefix, kv::prefix_end(prefix), [&](std::string_view key, std::string_view value) {
          uint32_t partition = 0;
          for (const char c : key.substr(1)) partition = partition << 8 | static_cast<uint8_t>(c);
          out.push_back({{static_cast<int32_t>(partition)}, {decode_number(value)}});
          return true;
        });
    if (!s) return std::unexpected(std::move(s).error());
    return out;
  }

  Status finish(const std::vector<log::Position>& positions) override {
    PENSTOCK_CHECK(store_->apply({}, positions));
    return kv_->flush();
  }

 private:
  std::shared_ptr<kv::KeyValue> kv_;
  std::unique_ptr<PersonStore> store_;
};

}  // namespace

std::unique_ptr<PersonCopy> make_kv_person_copy(std::shared_ptr<kv::KeyValue> kv) {
  return std::make_unique<KvPersonCopy>(kv);
}

}  // namespace penstock::persons
