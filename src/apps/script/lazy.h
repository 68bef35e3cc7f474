// What a lazy object is behind its face: shared by lazy_object.cc, which scripts see, and
// lazy_write.cc, which writes it back. Thread: the runtime's.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "apps/script/js.h"
#include "apps/script/lazy_object.h"

namespace penstock::apps {

/// Members; below it looking at each is faster than an index.
inline constexpr size_t kIndexFrom = 24;

/// One member.
struct Slot {
  enum class State : uint8_t { kRaw, kRead, kSet, kGone };
  std::string_view key;                  // unescaped, in the text or in `own_keys`
  std::string_view raw;                  // the value's text; empty when a script added the member
  const char* begin = nullptr;           // of the member in the text: its key's opening quote
  std::unique_ptr<struct Lazy> inner{};  // split already, nobody has asked for it yet
  JSValue value = kUndefined;
  State state = State::kRaw;
};

/// What a lazy object is behind its face.
struct Lazy {
  std::shared_ptr<const LazyText> text;
  std::string_view raw;  // of the whole object
  std::vector<Slot> slots;
  std::vector<std::unique_ptr<std::string>> own_keys;
  std::unordered_map<std::string_view, uint32_t> index;  // once there are many
  size_t gone = 0;                                       // slots whose members were deleted
  size_t counted = 0;                                    // bytes, in the text's total
  bool changed = false;                                  // a member was set, added or deleted
  bool ordinary = false;  // it has properties of the ordinary kind, too
  bool closed = false;    // takes no new members
  bool twins = false;     // the text has a key more than once

  Lazy() = default;
  Lazy(const Lazy&) = delete;
  Lazy& operator=(const Lazy&) = delete;
  ~Lazy() {
    if (text) text->total -= counted;
  }

  /// Null for what was deleted, too.
  Slot* find(std::string_view key);
  /// Behind all others; there must be none of this key.
  Slot& add(std::string_view key);
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
