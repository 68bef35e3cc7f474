// Quarantine: how events come in, are changed and leave; see KvLedger.
#include <algorithm>

#include "event/quarantine_change.h"
#include "ledger/books/kv_ledger.h"

namespace penstock::ledger {
namespace {

void note_leaving(OtherEntry& entry, const std::string& state, const std::string& dropped_for,
                  const std::string& by, int64_t at_ms) {
  entry.state = state;
  entry.by = by;
  entry.changed_ms = at_ms;
  if (!dropped_for.empty()) entry.reason = dropped_for;
}

}  // namespace

QuarantineUsage KvLedger::usage_of(const Staged& staged, std::string_view token) const {
  if (auto it = staged.usage.find(token); it != staged.usage.end()) return it->second;
  if (auto it = usage_.find(token); it != usage_.end()) return it->second;
  return {};
}

void KvLedger::add_quarantined(Staged& staged, Partition partition, Offset at,
                               const event::Outcome& outcome) {
  const QuarantineId id{outcome.received_ms, partition, at};
  QuarantineData data{
      .key = {outcome.received_for, minute_of(outcome.received_ms), outcome.source.lane},
      .source = outcome.source,
      .uuid = outcome.uuid,
      .received_ms = outcome.received_ms,
      .token = std::string(outcome.token),
      .reason = std::string(outcome.reason),
      .stage = std::string(outcome.stage),
      .raw = std::string(outcome.raw),
      .version = std::string(outcome.version),
      .decided_ms = outcome.decided_ms};
  OtherEntry entry{.state = "quarantined",
                   .project = outcome.project,
                   .received_ms = outcome.received_ms,
                   .source = outcome.source,
                   .reason = data.reason,
                   .stage = data.stage,
                   .processed = at,
                   .quarantine_id = id.bytes(),
                   .processed_in = partition};
  if (const auto raw = event::decode_raw(outcome.raw)) {
    entry.event = raw->event;
    entry.distinct_id = raw->distinct_id;
  }
  const std::string id_bytes = id.bytes();
  if (const Leaving* early = left_early_of(staged, id_bytes); early != nullptr) {
    staged.batch.erase(std::string(1, kLeftEarly) + id_bytes);
    staged.came_late.insert(id_bytes);
    const Leaving& how = *early;
    if (how.state.empty()) {
      data.edited = how.edit;
      data.edited_by = how.by;
      data.edited_ms = how.at_ms;
    } else {
      staged.taken[data.key][how.dropped_for]++;
      note_leaving(entry, how.state, how.dropped_for, how.by, how.at_ms);
      staged.batch.put(other_key(outcome.uuid, 'o', outcome.source), encode_other(entry));
      return;
    }
  }
  QuarantineUsage usage = usage_of(staged, outcome.token);
  usage.entries++;
  usage.bytes += outcome.raw.size();
  staged.usage.insert_or_assign(data.token, usage);
  staged.batch.put(other_key(outcome.uuid, 'o', outcome.source), encode_other(entry));
  staged.entries.insert_or_assign(id_bytes, std::pair(std::move(data), std::move(entry)));
}

/// Noted in this change, or before.
const KvLedger::Leaving* KvLedger::left_early_of(const Staged& staged,
                                                 const std::string& id_bytes) const {
  for (const auto* noted : {&staged.left_early, &left_early_}) {
    if (const auto it = noted->find(id_bytes); it != noted->end()) return &it->second;
  }
  return nullptr;
}

std::string KvLedger::encode_leaving(const Leaving& how) {
  std::string out;
  ByteWriter w(out);
  for (const std::string* s : {&how.state, &how.dropped_for, &how.by, &how.edit}) w.bytes(*s);
  w.zigzag(how.at_ms);
  return out;
}

Status KvLedger::load_left_early() {
  const std::string all(1, kLeftEarly);
  return kv_->scan(all, kv::prefix_end(all), [this](std::string_view key, std::string_view value) {
    ByteReader r(value);
    Leaving how;
    for (std::string* s : {&how.state, &how.dropped_for, &how.by, &how.edit}) *s = r.bytes();
    how.at_ms = r.zigzag();
    left_early_.insert_or_assign(std::string(key.substr(1)), std::move(how));
    return true;
  });
}

/// Partitions are replayed one after the other, so an entry may have left before it came: then it
/// is noted how. One that is not there any more, or leaves in this change, is nothing to do.
Status KvLedger::leave(Staged& staged, std::string_view id_bytes, const Leaving& how) {
  const auto take = [&](const QuarantineData& data) {
    staged.taken[data.key][how.dropped_for]++;
    QuarantineUsage usage = usage_of(staged, data.token);
    usage.entries -= std::min<uint64_t>(usage.entries, 1);
    usage.bytes -= std::min<uint64_t>(usage.bytes, data.raw.size());
    staged.usage.insert_or_assign(data.token, usage);
  };
  const auto edit = [&how](QuarantineData& data) {
    data.edited = how.edit;
    data.edited_by = how.by;
    data.edited_ms = how.at_ms;
  };
  if (const auto it = staged.entries.find(std::string(id_bytes)); it != staged.entries.end()) {
    auto& [data, entry] = it->second;
    if (how.state.empty()) {
      edit(data);
      return {};
    }
    take(data);
    note_leaving(entry, how.state, how.dropped_for, how.by, how.at_ms);
    staged.batch.put(other_key(data.uuid, 'o', data.source), encode_other(entry));
    staged.entries.erase(it);
    return {};
  }
  const std::string key = quarantine_key(id_bytes);
  if (staged.left.contains(key)) return {};
  PENSTOCK_TRY(const std::optional<std::string> bytes, kv_->get(key));
  QuarantineData data;
  if (!bytes) {
    const QuarantineId id = QuarantineId::from_bytes(id_bytes);
    const auto applied = staged.positions.applied.find(id.partition.value);
    const bool to_come =
        applied == staged.positions.applied.end() || id.offset.value >= applied->second.next();
    const Leaving* before = left_early_of(staged, std::string(id_bytes));
    // An edit of one that has left already is too late.
    const bool left = before != nullptr && !before->state.empty();
    if (to_come && !(left && how.state.empty())) {
      staged.batch.put(std::string(1, kLeftEarly) + std::string(id_bytes), encode_leaving(how));
      staged.left_early.insert_or_assign(std::string(id_bytes), how);
    }
    return {};
  }
  if (!decode_quarantine(*bytes, data)) return fail(Code::kCorrupt, "a quarantined event");
  if (how.state.empty()) {
    edit(data);
    staged.batch.put(key, encode_quarantine(data));
    return {};
  }
  staged.left.insert(key);
  take(data);
  staged.batch.erase(key);
  staged.batch.erase(quarantine_token_key(data.token, id_bytes));
  const std::string other = other_key(data.uuid, 'o', data.source);
  PENSTOCK_TRY(const std::optional<std::string> found, kv_->get(other));
  OtherEntry entry;
  if (!found || !decode_other(*found, entry)) return {};
  note_leaving(entry, how.state, how.dropped_for, how.by, how.at_ms);
  staged.batch.put(other, encode_other(entry));
  return {};
}

Status KvLedger::take_quarantined(const std::vector<std::string>& ids) {
  const std::lock_guard lock(mutex_);
  Staged staged = stage();
  for (const std::string& text : ids) {
    const auto id = QuarantineId::parse(text);
    if (id) PENSTOCK_CHECK(leave(staged, id->bytes(), {.state = "redriven"}));
  }
  return write(std::move(staged));
}

Status KvLedger::add_change(Staged& staged, const event::QuarantineChange& change) {
  using Action = event::QuarantineChange::Action;
  switch (change.action) {
    case Action::kDiscard:
      return leave(staged, change.entry,
                   {.state = "dropped",
                    .dropped_for = std::string(event::kDiscarded),
                    .by = std::string(change.who),
                    .at_ms = change.time_ms});
    case Action::kEdit:
      return leave(staged, change.entry,
                   {.state = "",
                    .by = std::string(change.who),
                    .at_ms = change.time_ms,
                    .edit = std::string(change.data)});
    case Action::kRedriveBegins: {
      const RedriveJob job{.id = change.command,
                           .project = change.project,
                           .who = std::string(change.who),
                           .body = std::string(change.data),
                           .state = "running",
                           .began_ms = change.time_ms};
      staged.batch.put(redrive_job_key(job.id), encode_job(job));
      return {};
    }
    case Action::kRedriveEnds: {
      PENSTOCK_TRY(const auto bytes, kv_->get(redrive_job_key(change.command)));
      RedriveJob job;
      if (!bytes || !decode_job(*bytes, job)) return {};
      job.state = change.data;
      job.ended_ms = change.time_ms;
      staged.batch.put(redrive_job_key(job.id), encode_job(job));
      return {};
    }
  }
  return fail(Code::kCorrupt, "a change of quarantine of an unknown kind");
}

QuarantineEntry KvLedger::listed(std::string_view id_bytes, QuarantineData data) {
  const QuarantineId id = QuarantineId::from_bytes(id_bytes);
  return {.id = id.text(),
          .project = data.key.project,
          .token = std::move(data.token),
          .reason = std::move(data.reason),
          .stage = std::move(data.stage),
          .uuid = data.uuid,
          .received_ms = data.received_ms,
          .source = data.source,
          .raw = std::move(data.raw),
          .version = std::move(data.version),
          .decided_ms = data.decided_ms,
          .processed = id.offset,
          .processed_in = id.partition,
          .edited = std::move(data.edited),
          .edited_by = std::move(data.edited_by),
          .edited_ms = data.edited_ms};
}

Result<std::optional<QuarantineEntry>> KvLedger::quarantine_entry(std::string_view id) const {
  const auto parsed = QuarantineId::parse(id);
  if (!parsed) return fail(Code::kInvalid, "this is not the id of a quarantined event");
  const std::string bytes = parsed->bytes();
  PENSTOCK_TRY(const std::optional<std::string> value, kv_->get(quarantine_key(bytes)));
  QuarantineData data;
  if (!value) return std::optional<QuarantineEntry>();
  if (!decode_quarantine(*value, data)) {
    return fail(Code::kCorrupt, "a quarantined event cannot be read");
  }
  return std::optional(listed(bytes, std::move(data)));
}

Result<std::vector<bool>> KvLedger::in_quarantine(
    const std::vector<std::string_view>& entries) const {
  std::vector<std::string> keys;
  keys.reserve(entries.size());
  for (const std::string_view entry : entries) keys.push_back(quarantine_key(entry));
  PENSTOCK_TRY(const auto found, kv_->get_many(keys));
  std::vector<bool> out;
  for (const auto& value : found) out.push_back(value.has_value());
  return out;
}

Result<std::vector<RedriveJob>> KvLedger::redrive_jobs(size_t jobs_max) const {
  std::vector<RedriveJob> out;
  bool bad = false;
  const std::string all(1, kRedriveJob);
  PENSTOCK_CHECK(kv_->scan(all, kv::prefix_end(all), [&](std::string_view, std::string_view value) {
    bad = !decode_job(value, out.emplace_back());
    return !bad;
  }));
  if (bad) return fail(Code::kCorrupt, "a re-drive cannot be read");
  std::ranges::stable_sort(out, [](const RedriveJob& a, const RedriveJob& b) {
    const bool a_runs = a.ended_ms == 0, b_runs = b.ended_ms == 0;
    return a_runs != b_runs ? a_runs : a.began_ms > b.began_ms;
  });
  if (out.size() > jobs_max) out.resize(jobs_max);
  return out;
}

}  // namespace penstock::ledger
