#include "capture/refusal_tally.h"

#include <algorithm>
#include <array>
#include <chrono>

#include "capture/metrics.h"
#include "event/json_fields.h"
#include "event/raw_record.h"

namespace penstock::capture {
namespace {

constexpr size_t kKindsMax = 512;
constexpr size_t kMessageBytesMax = 300, kPathBytesMax = 100;
constexpr std::chrono::milliseconds kTellEvery{1000};
constexpr int64_t kTellAgainMs = 60'000;
constexpr size_t kKeysLookedAt = 8;

std::string cut(std::string_view text, size_t bytes_max) {
  if (text.size() <= bytes_max) return std::string(text);
  while (bytes_max > 0 && (static_cast<unsigned char>(text[bytes_max]) & 0xc0) == 0x80) bytes_max--;
  return std::string(text.substr(0, bytes_max));
}

/// The string that begins at `at`, after a colon; empty when there is none.
std::string_view string_at(std::string_view text, size_t at) {
  constexpr std::string_view kSpace = " \t\r\n";
  at = text.find_first_not_of(kSpace, at);
  if (at == std::string_view::npos || text[at] != ':') return {};
  at = text.find_first_not_of(kSpace, at + 1);
  if (at == std::string_view::npos || text[at] != '"') return {};
  const size_t end = text.find('"', at + 1);
  return end == std::string_view::npos ? std::string_view() : text.substr(at + 1, end - at - 1);
}

}  // namespace

const catalog::Project* RefusalTally::project_in(std::string_view text,
                                                 const catalog::Snapshot& projects) {
  for (const std::string_view name :
       std::array<std::string_view, 3>{R"("api_key")", R"("token")", R"("$token")"}) {
    size_t looked = 0;
    for (size_t at = text.find(name); at != std::string_view::npos && looked < kKeysLookedAt;
         at = text.find(name, at + name.size()), looked++) {
      const std::string_view token = string_at(text, at + name.size());
      if (const catalog::Project* project = projects.find_token(token)) return project;
    }
  }
  return nullptr;
}

void RefusalTally::note(const catalog::Project* project, const Refused& refused) {
  if (project == nullptr) return;
  Key key{project->id.value, refused.reason, refused.status, cut(refused.path, kPathBytesMax)};
  auto at = counts_.find(key);
  if (at == counts_.end()) {
    if (counts_.size() >= kKindsMax) return metrics().refused_untold.add();
    at = counts_.try_emplace(std::move(key)).first;
  }
  Count& count = at->second;
  count.requests++;
  count.message = cut(refused.message, kMessageBytesMax);
  count.last_ms = runtime_.clock().wall_ms();
  schedule();
}

void RefusalTally::schedule() {
  if (scheduled_) return;
  scheduled_ = true;
  loop_.after(kTellEvery, [this, alive = alive_] {
    if (!*alive) return;
    scheduled_ = false;
    tell(false);
  });
}

void RefusalTally::tell(bool all) {
  const int64_t now_ms = runtime_.clock().wall_ms();
  log::Batch batch;
  std::string record;
  for (auto it = counts_.begin(); it != counts_.end();) {
    auto& [key, count] = *it;
    // A clock that jumped back must not silence a kind for longer than the pause.
    const bool due = all || now_ms >= count.next_ms || now_ms < count.next_ms - kTellAgainMs;
    if (due && count.requests == 0) {
      it = counts_.erase(it);
      continue;
    }
    if (due) {
      const auto& [project, reason, status, path] = key;
      record.clear();
      event::encode(
          event::RefusalCount{
              {project}, count.last_ms, status, count.requests, reason, path, count.message},
          record);
      log::encode_record(batch.data, record);
      batch.count++;
      count.requests = 0;
      count.next_ms = now_ms + kTellAgainMs;
    }
    ++it;
  }
  if (!counts_.empty()) schedule();
  if (batch.count == 0) return;
  std::vector<log::Batch> batches;
  batches.push_back(std::move(batch));
  log_.append(loop_, std::string(event::kTopicRefusalCounts), std::move(batches),
              [](const Result<std::vector<log::Appended>>&) {});
}

}  // namespace penstock::capture
