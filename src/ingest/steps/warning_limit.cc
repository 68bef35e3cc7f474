#include "ingest/steps/warning_limit.h"

#include "base/hash.h"

namespace penstock::ingest {
namespace {

constexpr int64_t kIntervalMs = 3'600'000;
constexpr size_t kRememberedMax = 20'000;

bool always_sent(std::string_view type) {
  return type == "client_ingestion_warning" || type == "cannot_merge_with_illegal_distinct_id" ||
         type == "invalid_event_when_process_person_profile_is_false";
}

}  // namespace

bool WarningLimit::admits(const Warning& warning, std::string_view distinct_id, int64_t now_ms) {
  if (always_sent(warning.type)) return true;
  const uint64_t key = hash64(warning.once_per_type ? std::string_view() : distinct_id,
                              hash64(warning.type, static_cast<uint64_t>(warning.project.value)));
  const auto it = last_ms_.find(key);
  if (it != last_ms_.end() && now_ms - it->second < kIntervalMs) return false;
  if (last_ms_.size() >= kRememberedMax) last_ms_.clear();
  last_ms_[key] = now_ms;
  return true;
}

}  // namespace penstock::ingest
