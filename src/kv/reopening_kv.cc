#include "kv/reopening_kv.h"

#include <mutex>
#include <shared_mutex>
#include <utility>

#include "base/diag.h"

namespace penstock::kv {
namespace {

/// What opening may write: what the log holds goes into files. RocksDB with assertions, as Debian
/// has it, ends the process when that fails halfway.
constexpr uint64_t kOpenBytes = 32U << 20;
/// A log entry beside the changes themselves, and what a flush may write; generous.
constexpr uint64_t kRoomFactor = 2;

class ReopeningKv : public KeyValue {
 public:
  ReopeningKv(ReopeningHooks hooks, std::unique_ptr<KeyValue> kv)
      : hooks_(std::move(hooks)), kv_(std::move(kv)) {}

  Result<std::optional<std::string>> get(std::string_view key) const override {
    const std::shared_lock lock(mutex_);
    if (!kv_) return closed();
    return kv_->get(key);
  }
  Result<std::vector<std::optional<std::string>>> get_many(
      const std::vector<std::string>& keys) const override {
    const std::shared_lock lock(mutex_);
    if (!kv_) return closed();
    return kv_->get_many(keys);
  }
  Status visit_many(const std::vector<std::string>& keys,
                    const std::function<Status(size_t, std::string_view)>& visit) const override {
    const std::shared_lock lock(mutex_);
    if (!kv_) return closed();
    return kv_->visit_many(keys, visit);
  }
  Status scan(std::string_view from, std::string_view to,
              const std::function<bool(std::string_view, std::string_view)>& visit) const override {
    const std::shared_lock lock(mutex_);
    if (!kv_) return closed();
    return kv_->scan(from, to, visit);
  }

  Status write(const WriteBatch& batch) override {
    uint64_t bytes = 0;
    for (const auto& c : batch.changes()) bytes += c.key.size() + (c.value ? c.value->size() : 0);
    return change(bytes, [&batch](KeyValue& kv) { return kv.write(batch); });
  }
  Status erase_range(std::string_view from, std::string_view to) override {
    return change(from.size() + to.size(), [&](KeyValue& kv) { return kv.erase_range(from, to); });
  }
  Status flush() override {
    return change(0, [](KeyValue& kv) { return kv.flush(); });
  }
  uint64_t disk_bytes() const override {
    const std::shared_lock lock(mutex_);
    return kv_ ? kv_->disk_bytes() : 0;
  }

 private:
  static std::unexpected<Error> closed() {
    return fail(Code::kUnavailable, "a state database is closed after a failed write");
  }

  template <typename Change>
  Status change(uint64_t bytes, const Change& apply) {
    if (Status s = hooks_.room(kRoomFactor * bytes); !s) return s;
    if (broken()) {
      PENSTOCK_CHECK(hooks_.room(kOpenBytes));
      PENSTOCK_CHECK(reopen());
    }
    const std::shared_lock lock(mutex_);
    if (!kv_) return closed();
    Status s = apply(*kv_);
    if (s || s.error().code == Code::kBug || s.error().code == Code::kBusy) return s;
    const std::scoped_lock state(state_mutex_);
    broken_ = true;
    return s;
  }

  bool broken() const {
    const std::scoped_lock state(state_mutex_);
    return broken_;
  }

  /// Two changes may come here at a time (a write and a flush): one of them opens.
  Status reopen() {
    const std::scoped_lock lock(mutex_);
    if (!broken()) return {};
    kv_.reset();  // its engine holds a lock on the directory
    PENSTOCK_TRY(kv_, hooks_.open());
    diag::info("a state database was opened again after a failed write", {});
    const std::scoped_lock state(state_mutex_);
    broken_ = false;
    return {};
  }

  ReopeningHooks hooks_;
  mutable std::shared_mutex mutex_;  // exclusive: kv_ is replaced
  std::unique_ptr<KeyValue> kv_;     // null: closed, and opening failed
  mutable std::mutex state_mutex_;
  bool broken_ = false;
};

}  // namespace

Result<std::unique_ptr<KeyValue>> open_reopening_kv(ReopeningHooks hooks) {
  PENSTOCK_CHECK(hooks.room(kOpenBytes));
  PENSTOCK_TRY(auto kv, hooks.open());
  return std::make_unique<ReopeningKv>(std::move(hooks), std::move(kv));
}

}  // namespace penstock::kv
