#include "kv/memory_kv.h"

namespace penstock::kv {

void MemoryKv::apply(Map& map, const WriteBatch& batch) {
  for (const auto& change : batch.changes()) {
    if (change.value) {
      map.insert_or_assign(change.key, *change.value);
    } else {
      map.erase(change.key);
    }
  }
}

Result<std::optional<std::string>> MemoryKv::get(std::string_view key) const {
  const std::lock_guard lock(mutex_);
  const auto it = now_.find(key);
  if (it == now_.end()) return std::nullopt;
  return it->second;
}

Result<std::vector<std::optional<std::string>>> MemoryKv::get_many(
    const std::vector<std::string>& keys) const {
  std::vector<std::optional<std::string>> out;
  out.reserve(keys.size());
  for (const std::string& key : keys) {
    PENSTOCK_TRY(auto value, get(key));
    out.push_back(std::move(value));
  }
  return out;
}

Status MemoryKv::scan(std::string_view from, std::string_view to,
                      const std::function<bool(std::string_view, std::string_view)>& visit) const {
  // Visits a copy of the range: the visitor may call back.
  std::vector<std::pair<std::string, std::string>> range;
  {
    const std::lock_guard lock(mutex_);
    for (auto it = now_.lower_bound(from); it != now_.end(); ++it) {
      if (!to.empty() && it->first >= to) break;
      range.emplace_back(*it);
    }
  }
  for (const auto& [key, value] : range) {
    if (!visit(key, value)) break;
  }
  return {};
}

Status MemoryKv::write(const WriteBatch& batch) {
  const std::lock_guard lock(mutex_);
  if (failing_ > 0) {
    failing_--;
    return fail(Code::kExhausted, "no space left (asked for by the test)");
  }
  apply(now_, batch);
  since_flush_.push_back(batch);
  return {};
}

Status MemoryKv::erase_range(std::string_view from, std::string_view to) {
  WriteBatch batch;
  PENSTOCK_CHECK(scan(from, to, [&batch](std::string_view key, std::string_view) {
    batch.erase(key);
    return true;
  }));
  return write(batch);
}

Status MemoryKv::flush() {
  const std::lock_guard lock(mutex_);
  durable_ = now_;
  since_flush_.clear();
  return {};
}

std::unique_ptr<MemoryKv> MemoryKv::crash(uint64_t seed) const {
  const std::lock_guard lock(mutex_);
  auto out = std::make_unique<MemoryKv>();
  out->durable_ = durable_;
  const size_t kept = since_flush_.empty() ? 0 : seed % (since_flush_.size() + 1);
  for (size_t i = 0; i < kept; i++) apply(out->durable_, since_flush_[i]);
  out->now_ = out->durable_;
  return out;
}

std::unique_ptr<KeyValue> make_memory_kv() { return std::make_unique<MemoryKv>(); }

std::string prefix_end(std::string_view prefix) {
  std::string out(prefix);
  while (!out.empty()) {
    const auto last = static_cast<unsigned char>(out.back());
    if (last != 0xff) {
      out.back() = static_cast<char>(last + 1);
      return out;
    }
    out.pop_back();
  }
  return out;
}

namespace {

class SharedKv : public KeyValue {
 public:
  explicit SharedKv(std::shared_ptr<MemoryKv> kv) : kv_(std::move(kv)) {}
  Result<std::optional<std::string>> get(std::string_view key) const override {
    return kv_->get(key);
  }
  Result<std::vector<std::optional<std::string>>> get_many(
      const std::vector<std::string>& keys) const override {
    return kv_->get_many(keys);
  }
  Status scan(std::string_view from, std::string_view to,
              const std::function<bool(std::string_view, std::string_view)>& visit) const override {
    return kv_->scan(from, to, visit);
  }
  Status write(const WriteBatch& batch) override { return kv_->write(batch); }
  Status erase_range(std::string_view from, std::string_view to) override {
    return kv_->erase_range(from, to);
  }
  Status flush() override { return kv_->flush(); }
  uint64_t disk_bytes() const override { return 0; }

 private:
  std::shared_ptr<MemoryKv> kv_;
};

}  // namespace

std::unique_ptr<KeyValue> share_memory_kv(std::shared_ptr<MemoryKv> kv) {
  return std::make_unique<SharedKv>(std::move(kv));
}

}  // namespace penstock::kv
