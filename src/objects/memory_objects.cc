// Objects in a map, for tests and simulation.
#include <algorithm>
#include <map>
#include <mutex>

#include "objects/object_store.h"

namespace penstock::objects {
namespace {

class MemoryObjects final : public ObjectStore {
 public:
  Status start() override { return {}; }

  Status put(std::string_view key, std::string_view bytes, Duration) override {
    return store(key, bytes, true);
  }
  Status put_if_absent(std::string_view key, std::string_view bytes, Duration) override {
    return store(key, bytes, false);
  }

  Result<std::string> get(std::string_view key, ByteRange range, Duration) override {
    const std::lock_guard lock(mutex_);
    const auto it = objects_.find(key);
    if (it == objects_.end()) return fail(Code::kNotFound, "there is no such object");
    if (range.from > it->second.size()) {
      return fail(Code::kInvalid, "the range begins beyond the object's end");
    }
    return it->second.substr(range.from, range.length);
  }

  Result<std::vector<ObjectInfo>> list(std::string_view prefix, std::string_view after,
                                       size_t limit, Duration) override {
    const std::lock_guard lock(mutex_);
    std::vector<ObjectInfo> out;
    auto it = after < prefix ? objects_.lower_bound(prefix) : objects_.upper_bound(after);
    for (; it != objects_.end() && it->first.starts_with(prefix); ++it) {
      if (out.size() >= std::min(limit, kListMax)) break;
      out.push_back({it->first, it->second.size()});
    }
    return out;
  }

  Status remove(std::string_view key, Duration) override {
    const std::lock_guard lock(mutex_);
    if (const auto it = objects_.find(key); it != objects_.end()) objects_.erase(it);
    return {};
  }

  Result<ObjectInfo> stat(std::string_view key, Duration) override {
    const std::lock_guard lock(mutex_);
    const auto it = objects_.find(key);
    if (it == objects_.end()) return fail(Code::kNotFound, "there is no such object");
    return ObjectInfo{it->first, it->second.size()};
  }

 private:
  Status store(std::string_view key, std::string_view bytes, bool replace) {
    if (!key_is_valid(key)) return fail(Code::kInvalid, "the object's key is malformed");
    if (bytes.size() > kObjectBytesMax) return fail(Code::kInvalid, "the object is too large");
    const std::lock_guard lock(mutex_);
    const auto it = objects_.find(key);
    if (it == objects_.end()) {
      objects_.emplace(key, bytes);
    } else if (replace) {
      it->second.assign(bytes);
    } else {
      return fail(Code::kConflict, "there is an object of that key");
    }
    return {};
  }

  std::mutex mutex_;
  std::map<std::string, std::string, std::less<>> objects_;
};

}  // namespace

std::unique_ptr<ObjectStore> make_memory_objects() { return std::make_unique<MemoryObjects>(); }

}  // namespace penstock::objects
