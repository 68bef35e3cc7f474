// Objects as files: the key's path with the ending `.obj`, written in `.new/` and renamed. Behind
// the bytes of an object stands their checksum, which whoever reads all of it is held to.
#include <algorithm>
#include <atomic>
#include <mutex>
#include <optional>
#include <span>

#include "base/codec.h"
#include "base/hash.h"
#include "base/probe.h"
#include "objects/object_store.h"

namespace penstock::objects {
namespace {

constexpr size_t kPieceBytes = 4U << 20;  // between two looks at the clock
constexpr std::string_view kEnding = ".obj";
constexpr std::string_view kSeal = "PSCRC32C";  // then four bytes, little-endian
constexpr size_t kSealBytes = 12;

std::string seal_of(std::string_view bytes) {
  std::string out(kSeal);
  ByteWriter(out).u32(crc32c(bytes));
  return out;
}

class DirectoryObjects final : public ObjectStore {
 public:
  DirectoryObjects(runtime::Runtime& runtime, std::string root)
      : clock_(runtime.clock()), files_(runtime.files()), root_(std::move(root)) {}

  Status start() override {
    PENSTOCK_CHECK(files_.create_directories(unfinished()));
    PENSTOCK_TRY(const auto names, files_.list(unfinished()));
    for (const std::string& name : names) {
      PENSTOCK_CHECK(files_.remove(unfinished() + "/" + name));
    }
    return {};
  }

  Status put(std::string_view key, std::string_view bytes, Duration within) override {
    return store(key, bytes, true, deadline(within));
  }
  Status put_if_absent(std::string_view key, std::string_view bytes, Duration within) override {
    return store(key, bytes, false, deadline(within));
  }

  Result<std::string> get(std::string_view key, ByteRange range, Duration within) override {
    const int64_t until = deadline(within);
    PENSTOCK_TRY(const Opened object, open(key));
    const auto& [file, size, seal] = object;
    if (range.from > size) {
      return fail(Code::kInvalid, "the range begins beyond the object's end");
    }
    std::string out(std::min(range.length, size - range.from), '\0');
    for (size_t at = 0; at < out.size();) {
      PENSTOCK_CHECK(in_time(until));
      const std::span<char> piece(out.data() + at, std::min(kPieceBytes, out.size() - at));
      PENSTOCK_TRY(const size_t got, file->pread(piece, range.from + at));
      if (got == 0) return fail(Code::kCorrupt, "an object is shorter than its file said");
      at += got;
    }
    if (seal && out.size() == size && seal_of(out) != *seal) {
      probe<"objects.checksum_differs">();
      return fail(Code::kCorrupt,
                  "the object's bytes are not what was written: their checksum differs");
    }
    return out;
  }

  Result<std::vector<ObjectInfo>> list(std::string_view prefix, std::string_view after,
                                       size_t limit, Duration within) override {
    Listing listing{prefix, after, std::min(limit, kListMax), deadline(within), {}};
    if (listing.limit > 0) PENSTOCK_CHECK(walk(listing, "", 0));
    return std::move(listing.found);
  }

  Status remove(std::string_view key, Duration within) override {
    PENSTOCK_CHECK(check(key, deadline(within)));
    const std::string path = path_of(key);
    const std::lock_guard lock(mutex_);
    if (!files_.exists(path)) return {};
    PENSTOCK_CHECK(files_.remove(path));
    return files_.sync_directory(folder_of(path));
  }

  Result<ObjectInfo> stat(std::string_view key, Duration) override {
    PENSTOCK_TRY(const Opened object, open(key));
    return ObjectInfo{std::string(key), object.size};
  }

 private:
  struct Opened {
    std::unique_ptr<runtime::File> file;
    uint64_t size = 0;                  // of the object
    std::optional<std::string> seal{};  // objects of earlier versions have none
  };
  struct Listing {
    std::string_view prefix, after;
    size_t limit;
    int64_t until;
    std::vector<ObjectInfo> found;
  };

  std::string unfinished() const { return root_ + "/.new"; }
  std::string path_of(std::string_view key) const {
    return root_ + "/" + std::string(key) + std::string(kEnding);
  }
  static std::string folder_of(const std::string& path) { return path.substr(0, path.rfind('/')); }

  int64_t deadline(Duration within) const { return clock_.mono_ns() + within.count() * 1000; }
  Status in_time(int64_t until) const {
    if (clock_.mono_ns() < until) return {};
    return fail(Code::kTimeout, "the object store took longer than allowed");
  }
  Status check(std::string_view key, int64_t until) const {
    if (!key_is_valid(key)) return fail(Code::kInvalid, "the object's key is malformed");
    return in_time(until);
  }

  Result<Opened> open(std::string_view key) const {
    if (!key_is_valid(key) || !files_.exists(path_of(key))) {
      return fail(Code::kNotFound, "there is no such object");
    }
    Opened out;
    PENSTOCK_TRY(out.file, files_.open(path_of(key), {}));
    PENSTOCK_TRY(out.size, out.file->size());
    if (out.size < kSealBytes) return out;
    std::string last(kSealBytes, '\0');
    PENSTOCK_TRY(const size_t got, out.file->pread(last, out.size - kSealBytes));
    if (got == kSealBytes && last.starts_with(kSeal)) {
      out.size -= kSealBytes;
      out.seal = std::move(last);
    }
    return out;
  }

  Status store(std::string_view key, std::string_view bytes, bool replace, int64_t until) {
    PENSTOCK_CHECK(check(key, until));
    if (bytes.size() > kObjectBytesMax) return fail(Code::kInvalid, "the object is too large");
    const std::string path = path_of(key);
    if (!replace && files_.exists(path)) {
      return fail(Code::kConflict, "there is an object of that key");
    }
    PENSTOCK_CHECK(files_.create_directories(folder_of(path)));
    const std::string fresh = unfinished() + "/" + std::to_string(next_++);
    if (Status s = write(fresh, bytes, until); !s) {
      (void)files_.remove(fresh);  // `start` does it otherwise
      return s;
    }
    const std::lock_guard lock(mutex_);
    if (!replace && files_.exists(path)) {
      (void)files_.remove(fresh);
      return fail(Code::kConflict, "there is an object of that key");
    }
    PENSTOCK_CHECK(files_.rename(fresh, path));
    if (Status s = files_.sync_directory(folder_of(path)); !s) {
      return fail(Code::kMaybe, "an object was written and may not last: " + s.error().message);
    }
    return {};
  }

  Status write(const std::string& path, std::string_view bytes, int64_t until) {
    PENSTOCK_TRY(const auto file, files_.open(path, {.create = true, .truncate = true}));
    for (size_t at = 0; at < bytes.size(); at += kPieceBytes) {
      PENSTOCK_CHECK(in_time(until));
      PENSTOCK_CHECK(file->pwrite(bytes.substr(at, kPieceBytes), at));
    }
    PENSTOCK_CHECK(file->pwrite(seal_of(bytes), bytes.size()));
    return file->sync();
  }

  /// Everything below a folder (a prefix of keys that ends in '/', or nothing) in key order.
  Status walk(Listing& listing, const std::string& folder, size_t depth) {
    if (depth > kKeyComponentsMax) return {};
    PENSTOCK_CHECK(in_time(listing.until));
    PENSTOCK_TRY(std::vector<std::string> names, files_.list(root_ + "/" + folder));
    std::erase_if(names, [](const std::string& name) { return name.starts_with('.'); });
    // With its slash a folder's name sorts as the keys below it do.
    for (std::string& name : names) {
      if (name.ends_with(kEnding)) {
        name.resize(name.size() - kEnding.size());
      } else {
        name += '/';
      }
    }
    std::ranges::sort(names);
    for (const std::string& name : names) {
      if (listing.found.size() == listing.limit) return {};
      const std::string key = folder + name;
      if (name.ends_with('/')) {
        const bool wanted = key.starts_with(listing.prefix) || listing.prefix.starts_with(key);
        const bool passed = listing.after > key && !listing.after.starts_with(key);
        if (wanted && !passed) PENSTOCK_CHECK(walk(listing, key, depth + 1));
        continue;
      }
      if (!key.starts_with(listing.prefix) || key <= listing.after) continue;
      auto info = stat(key, {});
      if (!info && info.error().code == Code::kNotFound) continue;  // removed meanwhile
      if (!info) return std::unexpected(std::move(info).error());
      listing.found.push_back(std::move(*info));
    }
    return {};
  }

  runtime::Clock& clock_;
  runtime::FileSystem& files_;
  std::string root_;
  std::mutex mutex_;  // between looking whether a name is there and changing it
  std::atomic<uint64_t> next_{0};
};

}  // namespace

std::unique_ptr<ObjectStore> make_directory_objects(runtime::Runtime& runtime, std::string root) {
  return std::make_unique<DirectoryObjects>(runtime, std::move(root));
}

}  // namespace penstock::objects
