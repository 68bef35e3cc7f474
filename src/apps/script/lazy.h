// What a lazy object is behind its face: shared by lazy_object.cc, which scripts see, and
// lazy_write.cc, which writes it back. Thread: the runtime's.
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "apps/script/js.h"
#include "apps/script/lazy_object.h"

namespace penstock::apps {

/// Members; below it comparing each one's hash is faster than an index.
inline constexpr size_t kIndexFrom = 128;

/// Of a key: its length, first and last bytes. Keys that are alike cost a comparison, no more.
inline uint32_t hash_of(std::string_view key) {
  const auto word = [](const char* at, size_t bytes) {
    uint64_t out = 0;
    std::memcpy(&out, at, bytes);
    return out;
  };
  const size_t size = key.size();
  uint64_t bits = size;
  if (size >= sizeof bits) {
    bits ^= word(key.data(), sizeof bits) * 0x9e3779b97f4a7c15;
    bits ^= word(key.data() + size - sizeof bits, sizeof bits) << 1U;
  } else if (size >= 4) {
    bits ^= word(key.data(), 4) << 32U | word(key.data() + size - 4, 4);
  } else if (size > 0) {
    bits ^= word(key.data(), 1) << 40U | word(key.data() + size / 2, 1) << 24U |
            word(key.data() + size - 1, 1) << 8U;
  }
  return static_cast<uint32_t>((bits * 0xd6e8feb86659fd93) >> 32U);
}

struct Lazy;
/// Keeps what is let go for the next event, a few of them.
struct LazyFree {
  void operator()(Lazy* lazy) const;
};
using LazyPtr = std::unique_ptr<Lazy, LazyFree>;
LazyPtr new_lazy();

/// One member.
struct Slot {
  enum class State : uint8_t { kRaw, kRead, kSet, kGone };
  std::string_view key;         // unescaped, in the text or in `own_keys`
  std::string_view raw;         // the value's text; empty when a script added the member
  const char* begin = nullptr;  // of the member in the text: its key's opening quote
  LazyPtr inner{};              // split already, nobody has asked for it yet
  JSValue value = kUndefined;
  uint32_t hash = 0;  // of the key
  State state = State::kRaw;
};

/// What a lazy object is behind its face.
struct Lazy {
  std::shared_ptr<const LazyText> text;
  std::string_view raw;  // of the whole object
  std::vector<Slot> slots;
  std::vector<std::unique_ptr<std::string>> own_keys;
  std::unique_ptr<std::unordered_map<std::string_view, uint32_t>> index;  // of many, once sought
  size_t gone = 0;        // slots whose members were deleted
  size_t counted = 0;     // bytes, in the text's total
  bool changed = false;   // a member was set, added or deleted
  bool ordinary = false;  // it has properties of the ordinary kind, too
  bool closed = false;    // takes no new members
  bool twins = false;     // the text has a key more than once
  bool lists = false;     // it had a member "$plugins_…" once

  Lazy() = default;
  Lazy(const Lazy&) = delete;
  Lazy& operator=(const Lazy&) = delete;
  ~Lazy() { clear(); }
  void clear();

  /// Null for what was deleted, too.
  Slot* find(std::string_view key, uint32_t hash);
  /// Behind all others; there must be none of this key.
  Slot& add(std::string_view key, uint32_t hash) {
    Slot& slot = slots.emplace_back();
    slot.key = key;
    slot.hash = hash;
    lists = lists || key.starts_with("$plugins_");
    if (index) index->emplace(key, static_cast<uint32_t>(slots.size() - 1));
    return slot;
  }
  /// A copy of a key that lives as long as the object.
  std::string_view keep(std::string_view key);
  /// The member's value is the caller's to free.
  void remove(Slot& slot);
  /// False: the runtime's lazy objects hold too much.
  bool count(size_t bytes);

 private:
  void compact();
  void reindex();
};

/// Null for every other value.
Lazy* lazy_of(JSValueConst value);

}  // namespace penstock::apps
