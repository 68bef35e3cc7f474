#include "main/apps/app_counts.h"

#include "base/codec.h"
#include "main/apps/app_key.h"

namespace penstock::cli {
namespace {

constexpr std::string_view kPrefix = "C";

}  // namespace

Status AppCounts::open(kv::KeyValue& kept) {
  kept_ = &kept;
  return kept.scan(kPrefix, kv::prefix_end(kPrefix),
                   [&](std::string_view key, std::string_view value) {
                     ByteReader in(value);
                     Counts counts{};
                     for (uint64_t& one : counts) {
                       if (!in.at_end()) one = in.varint();
                     }
                     if (in.ok())
                       before_[config_of(kPrefix, key)] = saved_[config_of(kPrefix, key)] = counts;
                     return true;
                   });
}

void AppCounts::complete(admin::AppRunStatus& s) {
  Counts& before = before_[s.config];
  Counts& counted = counted_[s.config];
  Counts& now = now_[s.config];
  const std::array<uint64_t*, kCounts> all = {&s.events,   &s.succeeded,       &s.failed,
                                              &s.dropped,  &s.cpu_us,          &s.changed,
                                              &s.filtered, &s.filtering_failed};
  for (size_t i = 0; i < kCounts; i++) {
    // Fewer than a moment ago: it was off meanwhile, and who counts begins anew.
    if (*all[i] < counted[i]) before[i] = now[i];
    counted[i] = *all[i];
    now[i] = before[i] + counted[i];
    *all[i] = now[i];
  }
}

Status AppCounts::save() {
  if (kept_ == nullptr || now_ == saved_) return {};
  kv::WriteBatch batch;
  for (const auto& [config, counts] : now_) {
    std::string value;
    ByteWriter w(value);
    for (const uint64_t one : counts) w.varint(one);
    batch.put(app_key(kPrefix, config), value);
  }
  PENSTOCK_CHECK(kept_->write(batch));
  saved_ = now_;
  return {};
}

}  // namespace penstock::cli
