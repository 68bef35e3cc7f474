#include "kv/memory_kv.h"

#include <mutex>

#include "base/assert.h"
#include "base/hash.h"

namespace penstock::kv {

Result<std::optional<std::string>> MemoryKv::get(std::string_view key) const {
  const std::shared_lock lock(mutex_);
  const auto it = map_.find(key);
  if (it == map_.end()) return std::nullopt;
  return it->second;
}

Result<std::vector<std::optional<std::string>>> MemoryKv::get_many(
    const std::vector<std::string>& keys) const {
  const std::shared_lock lock(mutex_);
  std::vector<std::optional<std::string>> out;
  out.reserve(keys.size());
  for (const std::string& key : keys) {
    const auto it = map_.find(key);
    out.push_back(it == map_.end() ? std::nullopt : std::optional(it->second));
  }
  return out;
}

Status MemoryKv::scan(std::string_view from, std::string_view to,
                      const std::function<bool(std::string_view, std::string_view)>& visit) const {
  // A step per key, so that a visitor may write and nobody waits for it.
  std::string key, value;
  std::shared_lock lock(mutex_);
  auto it = map_.lower_bound(from);
  while (it != map_.end() && (to.empty() || it->first < to)) {
    key = it->first;
    value = it->second;
    lock.unlock();
    if (!visit(key, value)) return {};
    lock.lock();
    it = map_.upper_bound(key);
  }
  return {};
}

Status MemoryKv::write(const WriteBatch& batch) {
  if (options_.gate) PENSTOCK_CHECK(options_.gate());
  const std::unique_lock lock(mutex_);
  Undo undo;
  for (const WriteBatch::Change& change : batch.changes()) {
    const auto it = map_.find(change.key);
    if (options_.crashable) {
      undo.push_back({change.key, it == map_.end() ? std::nullopt : std::optional(it->second)});
    }
    if (!change.value) {
      if (it != map_.end()) map_.erase(it);
    } else if (it != map_.end()) {
      it->second = *change.value;
    } else {
      map_.emplace(change.key, *change.value);
    }
  }
  if (options_.crashable) undo_.push_back(std::move(undo));
  return {};
}

Status MemoryKv::erase_range(std::string_view from, std::string_view to) {
  if (options_.gate) PENSTOCK_CHECK(options_.gate());
  const std::unique_lock lock(mutex_);
  if (!to.empty() && to <= from) return {};
  const auto first = map_.lower_bound(from);
  const auto last = to.empty() ? map_.end() : map_.lower_bound(to);
  if (options_.crashable) {
    Undo undo;
    for (auto it = first; it != last; ++it) undo.push_back({it->first, it->second});
    undo_.push_back(std::move(undo));
  }
  map_.erase(first, last);
  return {};
}

Status MemoryKv::flush() {
  if (options_.gate) PENSTOCK_CHECK(options_.gate());
  const std::unique_lock lock(mutex_);
  undo_.clear();
  return {};
}

uint64_t MemoryKv::disk_bytes() const { return 0; }

void MemoryKv::crash(uint64_t seed) {
  const std::unique_lock lock(mutex_);
  PENSTOCK_ASSERT(options_.crashable);
  const std::string_view bytes(reinterpret_cast<const char*>(&seed), sizeof seed);
  const size_t kept = hash64(bytes) % (undo_.size() + 1);
  while (undo_.size() > kept) {
    for (auto change = undo_.back().rbegin(); change != undo_.back().rend(); ++change) {
      if (change->value) {
        map_[change->key] = *change->value;
      } else {
        map_.erase(change->key);
      }
    }
    undo_.pop_back();
  }
  // What is left has been read back from the disk, so it is on it.
  undo_.clear();
}

size_t MemoryKv::unflushed() const {
  const std::shared_lock lock(mutex_);
  return undo_.size();
}

std::unique_ptr<KeyValue> make_memory_kv() { return std::make_unique<MemoryKv>(); }

namespace {

class KvView : public KeyValue {
 public:
  explicit KvView(std::shared_ptr<KeyValue> kept) : kept_(std::move(kept)) {}

  Result<std::optional<std::string>> get(std::string_view key) const override {
    return kept_->get(key);
  }
  Result<std::vector<std::optional<std::string>>> get_many(
      const std::vector<std::string>& keys) const override {
    return kept_->get_many(keys);
  }
  Status scan(std::string_view from, std::string_view to,
              const std::function<bool(std::string_view, std::string_view)>& visit) const override {
    return kept_->scan(from, to, visit);
  }
  Status write(const WriteBatch& batch) override { return kept_->write(batch); }
  Status erase_range(std::string_view from, std::string_view to) override {
    return kept_->erase_range(from, to);
  }
  Status flush() override { return kept_->flush(); }
  uint64_t disk_bytes() const override { return kept_->disk_bytes(); }

 private:
  std::shared_ptr<KeyValue> kept_;
};

}  // namespace

std::unique_ptr<KeyValue> make_view(std::shared_ptr<KeyValue> kept) {
  return std::make_unique<KvView>(std::move(kept));
}

}  // namespace penstock::kv
