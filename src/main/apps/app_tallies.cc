#include "main/apps/app_tallies.h"

#include <algorithm>
#include <bit>

#include "base/codec.h"
#include "main/apps/app_key.h"

namespace penstock::cli {
namespace {

constexpr std::string_view kPrefix = "T";
constexpr size_t kMetricsMax = 200;  // of one configuration

}  // namespace

std::string AppTallies::encoded(const Tally& tally) {
  std::string out;
  ByteWriter w(out);
  w.varint(tally.metrics.size());
  for (const auto& [name, value] : tally.metrics) {
    w.bytes(name);
    w.u64(std::bit_cast<uint64_t>(value));
  }
  w.varint(tally.ran.size());
  for (const auto& [category, counts] : tally.ran) {
    w.bytes(category);
    w.varint(counts.successes);
    w.varint(counts.failures);
  }
  return out;
}

bool AppTallies::decode(std::string_view text, Tally& tally) {
  ByteReader r(text);
  for (uint64_t n = r.varint(); n > 0 && r.ok(); n--) {
    std::string name(r.bytes());
    tally.metrics[std::move(name)] = std::bit_cast<double>(r.u64());
  }
  for (uint64_t n = r.varint(); n > 0 && r.ok(); n--) {
    std::string category(r.bytes());
    admin::AppCallCounts& counts = tally.ran[category];
    counts.category = std::move(category);
    counts.successes = r.varint();
    counts.failures = r.varint();
  }
  return r.ok() && r.at_end();
}

Status AppTallies::open(kv::KeyValue& kept) {
  kept_ = &kept;
  return kept.scan(kPrefix, kv::prefix_end(kPrefix),
                   [&](std::string_view key, std::string_view value) {
                     Tally tally;
                     if (decode(value, tally)) tallies_[config_of(kPrefix, key)] = std::move(tally);
                     return true;
                   });
}

void AppTallies::metric(int64_t config, std::string_view name, std::string_view kind,
                        double value) {
  const std::lock_guard lock(mutex_);
  auto& of = tallies_[config].metrics;
  if (of.size() >= kMetricsMax && !of.contains(std::string(name))) return;
  changed_.insert(config);
  const auto [found, fresh] = of.try_emplace(std::string(name), value);
  if (fresh) return;
  if (kind == "max") {
    found->second = std::max(found->second, value);
  } else if (kind == "min") {
    found->second = std::min(found->second, value);
  } else {
    found->second += value;
  }
}

void AppTallies::ran(int64_t config, std::string_view category, bool succeeded) {
  const std::lock_guard lock(mutex_);
  changed_.insert(config);
  admin::AppCallCounts& counts = tallies_[config].ran[std::string(category)];
  counts.category = category;
  (succeeded ? counts.successes : counts.failures)++;
}

void AppTallies::add_to(admin::AppRunStatus& out) const {
  const std::lock_guard lock(mutex_);
  const auto found = tallies_.find(out.config);
  if (found == tallies_.end()) return;
  out.metrics = found->second.metrics;
  for (const auto& [category, counts] : found->second.ran) out.calls.push_back(counts);
}

Status AppTallies::save() {
  kv::WriteBatch batch;
  std::set<int64_t> changed;
  {
    const std::lock_guard lock(mutex_);
    changed.swap(changed_);
    for (const int64_t config : changed)
      batch.put(app_key(kPrefix, config), encoded(tallies_[config]));
  }
  if (kept_ == nullptr || changed.empty()) return {};
  const Status written = kept_->write(batch);
  if (written) return {};
  const std::lock_guard lock(mutex_);
  changed_.merge(changed);  // again the next time
  return written;
}

}  // namespace penstock::cli
