// The history of merges and the reports of commands in KvPersonStore.
//
// A merge lies whole with the person that stayed, where the oldest make room for new ones; the one
// that went has a reference to it.
#include <algorithm>
#include <tuple>

#include "persons/kv/kv_person_store.h"

namespace penstock::persons {
namespace {

/// References that are followed for one person: it went as often as its merges were undone.
constexpr size_t kReferencesMax = 200;

Error unreadable() { return {Code::kCorrupt, "a merge in the person store cannot be read"}; }

Result<event::PersonMerge> decode(std::string_view bytes) {
  PENSTOCK_TRY(const auto record, event::decode_processed(bytes));
  const auto* merge = std::get_if<event::PersonMerge>(&record);
  if (merge == nullptr) return std::unexpected(unreadable());
  return *merge;
}

Uuid to_uuid(std::string_view bytes) {
  Uuid out;
  for (size_t i = 0; i < out.bytes.size() && i < bytes.size(); i++) {
    out.bytes[i] = static_cast<uint8_t>(bytes[i]);
  }
  return out;
}

std::string to_bytes(const Uuid& id) {
  return {reinterpret_cast<const char*>(id.bytes.data()), id.bytes.size()};
}

}  // namespace

Status KvPersonStore::apply_merges(Change& change, const PersonUpdates& updates) const {
  std::map<std::pair<int64_t, Uuid>, std::map<std::string, size_t>> added;  // by who stayed
  for (const event::PersonMerge& m : updates.merges) {
    const std::string key = merge_key(kMergePrefix, m.result, m);
    if (!updates.current || m.revision > 0) {
      PENSTOCK_TRY(const auto bytes, kv_->get(key));
      if (bytes) {
        PENSTOCK_TRY(const event::PersonMerge old, decode(*bytes));
        if (m.revision <= old.revision) continue;
      }
    }
    std::string value;
    event::encode(m, value);
    added[{m.project.value, m.result}][key] = value.size();
    change.batch.put(key, value);
    const auto source = event::PersonMerge::person(m.source);
    if (!source || source->id == m.result) continue;
    change.batch.put(merge_key(kMergedPrefix, source->id, m), to_bytes(m.result));
  }
  for (const auto& [who, keys] : added) {
    if (Status s = forget_merges(change, {who.first}, who.second, keys); !s) return s;
  }
  return {};
}

Status KvPersonStore::forget_merges(Change& change, ProjectId project, const Uuid& person,
                                    const std::map<std::string, size_t>& added) const {
  std::map<std::string, size_t> all;
  const std::string prefix = merge_prefix(kMergePrefix, project, person);
  Status s =
      kv_->scan(prefix, kv::prefix_end(prefix), [&](std::string_view key, std::string_view value) {
        all.emplace(key, value.size());
        return true;
      });
  if (!s) return s;
  for (const auto& [key, size] : added) all.insert_or_assign(key, size);
  size_t bytes = 0, count = all.size();
  for (const auto& [key, size] : all) bytes += size;
  int64_t forgotten = 0;
  for (const auto& [key, size] : all) {
    if (count == 1 || (count <= kMergesKeptMax && bytes <= kMergeBytesKeptMax)) break;
    change.batch.erase(key);
    bytes -= size;
    count--;
    forgotten++;
  }
  if (forgotten == 0) return {};
  const std::string key = merge_prefix(kForgottenPrefix, project, person);
  PENSTOCK_TRY(const auto before, kv_->get(key));
  change.batch.put(key, encode_number((before ? decode_number(*before) : 0) + forgotten));
  return {};
}

Result<MergeHistory> KvPersonStore::merges(ProjectId project, const Uuid& person) const {
  std::map<std::tuple<int64_t, uint32_t, Uuid, Uuid>, std::string> found;
  const auto take = [&](std::string_view value) -> Status {
    PENSTOCK_TRY(const event::PersonMerge m, decode(value));
    found.emplace(std::tuple{m.time_ms, m.place, m.event_uuid, m.result}, value);
    return {};
  };
  Status status;
  const std::string prefix = merge_prefix(kMergePrefix, project, person);
  Status s =
      kv_->scan(prefix, kv::prefix_end(prefix), [&](std::string_view, std::string_view value) {
        status = take(value);
        return status.has_value();
      });
  if (!s || !status) return std::unexpected((s ? status : s).error());
  std::vector<std::string> keys;
  const std::string references = merge_prefix(kMergedPrefix, project, person);
  s = kv_->scan(references, kv::prefix_end(references),
                [&](std::string_view key, std::string_view value) {
                  keys.push_back(merge_prefix(kMergePrefix, project, to_uuid(value)) +
                                 std::string(key.substr(references.size())));
                  return keys.size() < kReferencesMax;
                });
  if (!s) return std::unexpected(std::move(s).error());
  PENSTOCK_TRY(const auto values, kv_->get_many(keys));
  for (const auto& value : values) {
    if (value) PENSTOCK_CHECK(take(*value));
  }
  MergeHistory out;
  for (auto& [when, record] : found) out.records.push_back(std::move(record));
  PENSTOCK_TRY(const auto forgotten, kv_->get(merge_prefix(kForgottenPrefix, project, person)));
  if (forgotten) out.forgotten = static_cast<uint64_t>(decode_number(*forgotten));
  return out;
}

Result<LastVersions> KvPersonStore::last_versions(ProjectId project, std::string_view distinct_id,
                                                  const Uuid& person) const {
  PENSTOCK_TRY(const auto values,
               kv_->get_many({mapping_key(project, distinct_id), person_key(project, person)}));
  LastVersions out;
  if (values[0]) {
    MappingValue m;
    if (!decode_mapping(*values[0], m)) return std::unexpected(unreadable());
    out.mapping = m.version;
  }
  if (values[1]) {
    PersonValue p;
    if (!decode_person(*values[1], p)) return std::unexpected(unreadable());
    out.person = static_cast<int64_t>(p.version);
  }
  return out;
}

bool KvPersonStore::has_deleted_ids(ProjectId project) const {
  const std::lock_guard lock(mutex_);
  return deleted_in_.contains(project.value);
}

Status KvPersonStore::apply_reports(Change& change,
                                    const std::vector<event::PersonCommandReport>& reports) const {
  std::set<int64_t> projects;
  for (const event::PersonCommandReport& report : reports) {
    std::string value;
    event::encode(report, value);
    change.put(report_key(report.project, report.id), std::move(value));
    projects.insert(report.project.value);
  }
  for (const int64_t project : projects) {
    // What this apply adds is forgotten by the next one.
    std::vector<std::string> keys;
    const std::string prefix = report_prefix({project});
    Status s =
        kv_->scan(prefix, kv::prefix_end(prefix), [&](std::string_view key, std::string_view) {
          keys.emplace_back(key);
          return true;
        });
    if (!s) return s;
    for (size_t i = 0; i + kCommandReportsKeptMax <= keys.size(); i++) {
      if (!change.known.contains(keys[i])) change.batch.erase(keys[i]);
    }
  }
  return {};
}

Result<std::optional<std::string>> KvPersonStore::command_report(ProjectId project,
                                                                 const Uuid& id) const {
  return kv_->get(report_key(project, id));
}

Result<std::vector<std::string>> KvPersonStore::command_reports(ProjectId project,
                                                                size_t reports_max) const {
  std::vector<std::string> out;
  const std::string prefix = report_prefix(project);
  Status s =
      kv_->scan(prefix, kv::prefix_end(prefix), [&](std::string_view, std::string_view value) {
        out.emplace_back(value);
        return true;
      });
  if (!s) return std::unexpected(std::move(s).error());
  std::reverse(out.begin(), out.end());
  if (out.size() > reports_max) out.resize(reports_max);
  return out;
}

}  // namespace penstock::persons
