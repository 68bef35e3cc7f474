#include "definitions/state/kv_definitions.h"

#include <algorithm>

#include "base/hash.h"
#include "base/metrics.h"
#include "definitions/detect/property_type.h"
#include "definitions/state/codec.h"
#include "event/lane.h"

namespace penstock::definitions {
namespace {

Counter events_metric{"penstock_definitions_events_total", "Events looked at for definitions."};
Counter refused_metric{"penstock_definitions_refused_total",
                       "New event and property names beyond the limits of their project."};
Gauge known_metric{"penstock_definitions_known",
                   "Events, properties and properties in events that are held in memory."};

constexpr int64_t kHourMs = 3'600'000;

Error unreadable() { return {Code::kCorrupt, "a definition cannot be read"}; }

/// Every name has its own minute at which its hour begins, so that they are not written all at
/// once.
int64_t jitter(uint64_t hash) { return static_cast<int64_t>(hash % kHourMs); }
uint32_t hour_of(int64_t ms, uint64_t hash) {
  return static_cast<uint32_t>((std::max<int64_t>(ms, 0) + jitter(hash)) / kHourMs);
}
int64_t begin_of(uint32_t hour, uint64_t hash) {
  return std::max<int64_t>(static_cast<int64_t>(hour) * kHourMs - jitter(hash), 0);
}

/// Nothing is to be learned of the type from it.
bool says_nothing(std::string_view raw) {
  return raw.starts_with('{') || raw.starts_with('[') || raw.starts_with('n');
}

}  // namespace

Result<std::unique_ptr<DefinitionStore>> DefinitionStore::open(std::unique_ptr<kv::KeyValue> kv,
                                                               DefinitionLimits limits) {
  auto out = std::make_unique<KvDefinitions>(std::move(kv), limits);
  PENSTOCK_CHECK(out->load());
  return out;
}

KvDefinitions::KvDefinitions(std::unique_ptr<kv::KeyValue> kv, DefinitionLimits limits)
    : kv_(std::move(kv)), limits_(limits) {}

Status KvDefinitions::load() {
  bool readable = true;
  const auto visit = [&](std::string_view key, std::string_view value) {
    if (key.empty()) return true;
    if (key.front() == kPositionPrefix) {
      next_[read_position_key(key)] = decode_offset(value);
      return true;
    }
    KeyParts parts;
    readable = read_key(key, parts);
    if (!readable) return false;
    const auto know = [&](uint64_t hash, uint32_t number) {
      if (known_.find(hash) == nullptr) known_.insert(hash, number);
    };
    int64_t first = 0, last = 0;
    PropertyType type = PropertyType::kUnknown;
    switch (key.front()) {
      case kCountsPrefix:
        readable = decode_counts(value, projects_[parts.project.value].counts);
        break;
      case kEventPrefix: {
        readable = decode_event(value, first, last);
        const uint64_t hash = event_hash(parts.project, parts.second);
        know(hash, hour_of(last, hash));
        break;
      }
      case kPropertyPrefix:
        readable = decode_property(value, type, first);
        know(property_hash(parts.project, parts.owner, parts.first, hash64(parts.second)),
             static_cast<uint32_t>(type));
        break;
      case kPairPrefix:
        know(pair_hash(event_hash(parts.project, parts.first), hash64(parts.second)), 0);
        break;
      default: break;
    }
    return readable;
  };
  PENSTOCK_CHECK(kv_->scan({}, {}, visit));
  if (!readable) return std::unexpected(unreadable());
  saved_ = next_;
  known_metric.set(static_cast<int64_t>(known_.size()));
  return {};
}

Status KvDefinitions::apply(Partition partition, Offset base,
                            const std::vector<std::string_view>& records) {
  const std::lock_guard lock(mutex_);
  if (!batch_.empty()) PENSTOCK_CHECK(write());
  int64_t& next = next_.try_emplace(partition.value, base.value).first->second;
  Status status;
  uint64_t events = 0;
  for (size_t i = 0; i < records.size(); i++) {
    const int64_t at = base.value + static_cast<int64_t>(i);
    if (at < next) continue;
    const auto record = event::decode_processed(records[i]);
    if (!record) {
      status = std::unexpected(record.error());
      break;
    }
    const auto* outcome = std::get_if<event::Outcome>(&*record);
    if (outcome != nullptr && outcome->kind == event::OutcomeKind::kAccepted &&
        outcome->source.lane != event::Lane::kReplay && !outcome->row.heatmap_only) {
      if (status = take(*outcome); !status) break;
      events++;
    }
    next = at + 1;
  }
  events_metric.add(events);
  known_metric.set(static_cast<int64_t>(known_.size()));
  const bool news = !batch_.empty() || std::any_of(projects_.begin(), projects_.end(),
                                                   [](const auto& p) { return p.second.changed; });
  if (!news) return status;
  const Status written = write();
  return status ? written : status;
}

/// Everything of the event, or nothing: what can fail comes first.
Status KvDefinitions::take(const event::Outcome& o) {
  const std::string_view name = without_nul(o.row.event, name_scratch_);
  if (name == kIgnoredEvent) return {};
  Project& state = projects_[o.project.value];
  if (name.size() > kNameBytesMax) {
    state.counts.long_names++;
    state.changed = true;
    return {};
  }
  const uint64_t event = event_hash(o.project, name);
  news_.clear();
  const EventReader::Result read = reader_.read(name, o.row.properties, [&](const SeenName& seen) {
    const uint64_t name_hash = hash64(seen.name);
    // A known pair, or else a known property, has nothing to tell but its type.
    const uint32_t* known = seen.pair ? known_.find(pair_hash(event, name_hash))
                            : seen.owner == Owner::kGroup
                                ? nullptr
                                : known_.find(property_hash(o.project, seen.owner, {}, name_hash));
    if (known != nullptr && (*known != 0 || says_nothing(seen.raw))) return;
    news_.push_back({seen.owner, seen.pair, std::string(seen.name), seen.raw, name_hash});
  });
  if (!read.readable) return {};
  if (read.long_names > 0) {
    state.counts.long_names += read.long_names;
    state.changed = true;
  }
  if (read.updates > limits_.updates_per_event_max) {
    state.counts.crowded_events++;
    state.changed = true;
    return {};
  }
  bool known = false;
  PENSTOCK_CHECK(take_event(o.project, state, name, event, o.received_ms, known));
  if (!known) return {};
  for (const News& news : news_) {
    bool settled = false;
    if (!take_property(o.project, state, news, read.group_type, o.received_ms, settled)) continue;
    if (news.pair) take_pair(o.project, state, name, event, news, settled);
  }
  return {};
}

bool KvDefinitions::has_room(uint64_t of_kind, uint64_t of_kind_max) const {
  return of_kind < of_kind_max && known_.size() < limits_.total_max;
}

Status KvDefinitions::take_event(ProjectId project, Project& state, std::string_view name,
                                 uint64_t hash, int64_t now_ms, bool& known) {
  const uint32_t hour = hour_of(now_ms, hash);
  uint32_t* last = known_.find(hash);
  known = last != nullptr;
  if (known && *last >= hour) return {};
  int64_t first = now_ms;
  const std::string key = event_key(project, name);
  if (known) {
    if (!batch_.empty()) PENSTOCK_CHECK(write());
    PENSTOCK_TRY(const auto bytes, kv_->get(key));
    int64_t before = 0;
    if (bytes && !decode_event(*bytes, first, before)) return std::unexpected(unreadable());
    *last = hour;
  } else if (has_room(state.counts.events, limits_.events_max)) {
    known_.insert(hash, hour);
    state.counts.events++;
    state.changed = known = true;
  } else {
    state.counts.refused_events++;
    state.changed = true;
    refused_metric.add();
    return {};
  }
  batch_.put(key, encode_event(first, begin_of(hour, hash)));
  return {};
}

bool KvDefinitions::take_property(ProjectId project, Project& state, const News& news,
                                  std::string_view group_type, int64_t now_ms, bool& settled) {
  const std::string_view type_of = news.owner == Owner::kGroup ? group_type : std::string_view{};
  const uint64_t hash = property_hash(project, news.owner, type_of, news.name_hash);
  uint32_t* known = known_.find(hash);
  if (known != nullptr && *known != 0) {
    settled = true;
    return true;
  }
  const PropertyType type = detect_type(news.name, news.raw, now_ms);
  settled = type != PropertyType::kUnknown;
  if (known != nullptr) {
    if (!settled) return true;
    *known = static_cast<uint32_t>(type);
  } else if (has_room(state.counts.properties, limits_.properties_max)) {
    known_.insert(hash, static_cast<uint32_t>(type));
    state.counts.properties++;
    state.changed = true;
  } else {
    state.counts.refused_properties++;
    state.changed = true;
    refused_metric.add();
    return false;
  }
  batch_.put(property_key(project, news.owner, type_of, news.name), encode_property(type, now_ms));
  return true;
}

void KvDefinitions::take_pair(ProjectId project, Project& state, std::string_view event,
                              uint64_t hash, const News& news, bool settled) {
  const uint64_t pair = pair_hash(hash, news.name_hash);
  if (uint32_t* known = known_.find(pair); known != nullptr) {
    if (settled) *known = 1;
    return;
  }
  state.changed = true;
  if (!has_room(state.counts.pairs, limits_.pairs_max)) {
    state.counts.refused_pairs++;
    return;
  }
  known_.insert(pair, settled ? 1 : 0);
  state.counts.pairs++;
  batch_.put(pair_prefix(kPairPrefix, project, event).append(news.name), {});
  batch_.put(pair_prefix(kPairBackPrefix, project, news.name).append(event), {});
}

/// One atomic write of what is gathered, the counts and the positions it stands for.
Status KvDefinitions::write() {
  for (auto& [id, project] : projects_) {
    if (!project.changed) continue;
    batch_.put(project_key(kCountsPrefix, {id}), encode_counts(project.counts));
  }
  for (const auto& [partition, next] : next_) {
    const auto saved = saved_.find(partition);
    if (saved != saved_.end() && saved->second == next) continue;
    batch_.put(position_key({partition}), encode_offset(next));
  }
  if (batch_.empty()) return {};
  PENSTOCK_CHECK(kv_->write(batch_));
  batch_.clear();
  for (auto& [id, project] : projects_) project.changed = false;
  saved_ = next_;
  unflushed_ = true;
  return {};
}

std::vector<log::Position> KvDefinitions::applied() const {
  const std::lock_guard lock(mutex_);
  std::vector<log::Position> out;
  for (const auto& [partition, next] : next_) out.push_back({{partition}, {next}});
  return out;
}

void KvDefinitions::skip_to(Partition partition, Offset to) {
  const std::lock_guard lock(mutex_);
  int64_t& next = next_[partition.value];
  next = std::max(next, to.value);
}

Status KvDefinitions::save() {
  const std::lock_guard lock(mutex_);
  return write();
}

Status KvDefinitions::flush(log::Log& log) {
  std::vector<log::Position> durable;
  {
    const std::lock_guard lock(mutex_);
    if (!unflushed_) return {};
    unflushed_ = false;
    for (const auto& [partition, next] : saved_) durable.push_back({{partition}, {next}});
  }
  if (Status s = kv_->flush(); !s) {
    const std::lock_guard lock(mutex_);
    unflushed_ = true;
    return s;
  }
  return log.commit(std::string(kConsumerGroup), std::string(event::kTopicProcessed), durable);
}

DefinitionCounts KvDefinitions::counts(ProjectId project) const {
  const std::lock_guard lock(mutex_);
  const auto it = projects_.find(project.value);
  return it == projects_.end() ? DefinitionCounts{} : it->second.counts;
}

}  // namespace penstock::definitions
