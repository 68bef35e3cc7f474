// ObjectStore: named immutable blobs, for what is too large for the log and too opaque for SQL.
//
// A key is a path of plain components (`replay/00000012/…`, see `key_is_valid`); an object is put
// whole and read whole or in ranges. Implementations: memory (tests), a directory of files, S3
// (s3_objects.h), and one around any that repeats (retrying_objects.h); one contract suite
// (tests/contract/object_store_contract_test.cc) runs over all of them.
//
// Threads: every call blocks and may come from any thread at once: use them from a BlockingPool
// job. `within` is the caller's patience: past it a call answers kTimeout and nothing has happened,
// or kMaybe. Failure: kUnavailable and kMaybe mean repeat (a put repeated with the same bytes is
// harmless), kExhausted that there is no room, kInvalid that the key or range is wrong.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "runtime/runtime.h"

namespace penstock::objects {

inline constexpr size_t kKeyBytesMax = 512;
inline constexpr size_t kKeyComponentsMax = 8;
inline constexpr size_t kObjectBytesMax = 256U << 20;
inline constexpr size_t kListMax = 10'000;  // entries of one answer

struct ObjectInfo {
  std::string key;
  uint64_t size = 0;
  auto operator<=>(const ObjectInfo&) const = default;
};

struct ByteRange {
  uint64_t from = 0;
  uint64_t length = std::numeric_limits<uint64_t>::max();  // clipped to the object's end
};

class ObjectStore {
 public:
  using Duration = runtime::Duration;

  virtual ~ObjectStore() = default;
  /// Makes ready; removes what an earlier life left unfinished.
  virtual Status start() = 0;

  /// Stores the whole object, replacing one of that key; on stable storage when it returns. Readers
  /// see the old object or the new one, never a part.
  virtual Status put(std::string_view key, std::string_view bytes, Duration within) = 0;
  /// kConflict when there is an object of that key; it is left as it is.
  virtual Status put_if_absent(std::string_view key, std::string_view bytes, Duration within) = 0;
  /// kNotFound: no such object. kInvalid: the range begins beyond its end.
  virtual Result<std::string> get(std::string_view key, ByteRange range, Duration within) = 0;
  /// Objects whose key begins with `prefix` and is above `after`, in the order of their keys'
  /// bytes, at most `limit` (and kListMax). An empty prefix lists everything.
  virtual Result<std::vector<ObjectInfo>> list(std::string_view prefix, std::string_view after,
                                               size_t limit, Duration within) = 0;
  /// One that is not there is removed already.
  virtual Status remove(std::string_view key, Duration within) = 0;
  /// kNotFound: no such object.
  virtual Result<ObjectInfo> stat(std::string_view key, Duration within) = 0;
};

/// Components of `A-Z a-z 0-9 . _ = -` between single slashes, none beginning with a dot or ending
/// in `.obj`; at most kKeyBytesMax bytes and kKeyComponentsMax components.
bool key_is_valid(std::string_view key);

std::unique_ptr<ObjectStore> make_memory_objects();
/// Files below `root`, one per object; see docs/formats/objects.md. One process at a time.
std::unique_ptr<ObjectStore> make_directory_objects(runtime::Runtime& runtime, std::string root);

}  // namespace penstock::objects
