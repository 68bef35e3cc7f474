// Forgetting whose events were in the ledger's index; see Ledger::forget_ids.
#include <unordered_set>

#include "ledger/books/kv_ledger.h"

namespace penstock::ledger {
namespace {

/// Entries passed by one scan, so that it is short, and entries changed while the mutex is held.
constexpr size_t kLookedAtMax = 20'000;
constexpr size_t kChangedMax = 500;

/// Whose entries are looked for.
class Wanted {
 public:
  Wanted(ProjectId project, const std::vector<std::string>& ids, int64_t until_ms)
      : project_(project), until_ms_(until_ms), ids_(ids.begin(), ids.end()) {}

  /// The value without name and distinct id; nullopt: it is somebody else's.
  std::optional<std::string> blanked(std::string_view key, std::string_view value) {
    if (key.front() == kAcceptedPrefix) {
      if (!decode_accepted(value, accepted_) || !is_of(accepted_)) return std::nullopt;
      return encode_accepted(accepted_);
    }
    if (!decode_other(value, other_) || !is_of(other_)) return std::nullopt;
    return encode_other(other_);
  }

 private:
  template <typename Entry>
  bool is_of(Entry& entry) const {
    if (entry.project != project_ || entry.received_ms > until_ms_) return false;
    if (!ids_.contains(entry.distinct_id)) return false;
    entry.event.clear();
    entry.distinct_id.clear();
    return true;
  }

  ProjectId project_;
  int64_t until_ms_;
  std::unordered_set<std::string_view> ids_;
  AcceptedEntry accepted_;
  OtherEntry other_;
};

}  // namespace

Result<uint64_t> KvLedger::forget_ids(ProjectId project,
                                      const std::vector<std::string>& distinct_ids,
                                      int64_t received_until_ms) {
  Wanted wanted(project, distinct_ids, received_until_ms);
  uint64_t changed = 0;
  for (const char kind : {kAcceptedPrefix, kOtherPrefix}) {
    std::string from(1, kind);
    const std::string end = kv::prefix_end(from);
    while (!from.empty()) {
      std::vector<std::string> mine;
      size_t looked_at = 0;
      std::string next;
      PENSTOCK_CHECK(kv_->scan(from, end, [&](std::string_view key, std::string_view value) {
        if (looked_at++ == kLookedAtMax || mine.size() == kChangedMax) {
          next = key;
          return false;
        }
        if (wanted.blanked(key, value)) mine.emplace_back(key);
        return true;
      }));
      from = std::move(next);
      if (mine.empty()) continue;
      // A duplicate may have been counted in an entry meanwhile: they are read once more.
      const std::lock_guard lock(mutex_);
      PENSTOCK_TRY(const auto values, kv_->get_many(mine));
      kv::WriteBatch batch;
      for (size_t i = 0; i < mine.size(); i++) {
        if (!values[i]) continue;
        if (auto blanked = wanted.blanked(mine[i], *values[i])) {
          batch.put_moved(mine[i], std::move(*blanked));
          changed++;
        }
      }
      if (!batch.empty()) PENSTOCK_CHECK(kv_->write(batch));
    }
  }
  if (changed > 0) PENSTOCK_CHECK(kv_->flush());
  return changed;
}

}  // namespace penstock::ledger
