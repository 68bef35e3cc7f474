// Objects (session recordings): files in the data directory, S3. They never change once written.
//
// Copied in the order of their keys, several at a time; put again after a crash, the same bytes
// replace themselves. Every put carries checksums that the other side compares, and in the end
// all are read back and compared with what was sent.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <functional>
#include <future>
#include <thread>

#include "base/hash.h"
#include "main/move/part.h"
#include "main/object_engine.h"
#include "objects/object_store.h"
#include "objects/retrying_objects.h"
#include "objects/s3_objects.h"
#include "runtime/real_runtime.h"

namespace penstock::cli::move {
namespace {

constexpr size_t kAtOnce = 4;  // threads of the pool
constexpr size_t kListed = 1000;
constexpr auto kPatience = std::chrono::minutes(2);

/// Count and sum of hashes of keys and bytes.
struct Digest {
  uint64_t count = 0, hash = 0;
  std::string save() const { return fmt::format("{},{}", count, hash); }
  static Digest load(std::string_view text) {
    Digest out;
    const size_t comma = std::min(text.find(','), text.size());
    std::from_chars(text.data(), text.data() + comma, out.count);
    if (comma < text.size()) {
      std::from_chars(text.data() + comma + 1, text.data() + text.size(), out.hash);
    }
    return out;
  }
  bool operator==(const Digest&) const = default;
};

uint64_t hash_of(const std::string& key, const std::string& bytes) {
  return hash64(bytes, hash64(key));
}

class ObjectsPart final : public Part {
 public:
  explicit ObjectsPart(Moving& moving) : moving_(moving) { thread_.start(); }
  ~ObjectsPart() override {
    thread_.stop();
    thread_.join();
  }

  std::string name() const override { return "objects"; }
  std::string from() const override { return moving_.out ? "embedded" : "s3"; }
  std::string to() const override { return moving_.out ? "s3" : "embedded"; }
  std::string option() const override { return "objects.engine"; }
  std::string target() const override {
    const Settings& s = moving_.settings;
    return moving_.out ? fmt::format("{:016x}", hash64(s.s3.endpoint + "\n" + s.s3_url))
                       : moving_.data_dir + "/objects";
  }

  Status check(bool ours) override {
    objects::S3Options options = moving_.settings.s3;
    if (moving_.settings.s3_url.empty()) {
      return fail(Code::kInvalid, "objects.s3_url is not set: name the bucket there");
    }
    if (Status s = objects::read_s3_url(moving_.settings.s3_url, options); !s) {
      return fail(s.error(), "objects.s3_url");
    }
    if (Status s = objects::check_s3_options(options); !s) return fail(s.error(), "objects.s3_…");
    auto server = objects::make_retrying_objects(
        objects::make_s3_objects(moving_.runtime, std::move(options)), moving_.runtime,
        [](runtime::Duration pause) { std::this_thread::sleep_for(pause); });
    if (Status s = server->start(); !s) return fail(s.error(), "objects.s3_url");
    auto files = objects::make_directory_objects(moving_.runtime, moving_.data_dir + "/objects");
    PENSTOCK_CHECK(files->start());
    source_ = std::move(moving_.out ? files : server);
    target_ = std::move(moving_.out ? server : files);
    if (ours) return {};
    PENSTOCK_TRY(const auto there, target_->list("", "", 1, kPatience));
    if (there.empty()) return {};
    return fail(Code::kConflict,
                moving_.out
                    ? "there are objects under objects.s3_url already; name another prefix"
                    : fmt::format("there are objects in {0}/objects already; put them aside "
                                  "first: mv {0}/objects {0}/objects.before",
                                  moving_.data_dir));
  }

  /// How many and how large: objects come and go, and none changes.
  Result<std::string> source_state() override {
    PENSTOCK_CHECK(measure());
    return fmt::format("{} {} {:016x}", count_, bytes_, names_);
  }

  Result<uint64_t> bytes_needed() override {
    PENSTOCK_CHECK(measure());
    return bytes_;
  }

  Status copy(PartNote& note) override {
    Digest digest;
    if (note.cursor.empty()) {
      note.items = note.bytes = 0;
    } else {
      digest = Digest::load(note.digest);
    }
    moving_.progress.begin(name(), "copying", count_, bytes_, note.items, note.bytes);
    const auto carry = [this](const std::string& key) -> Result<uint64_t> {
      PENSTOCK_TRY(const std::string bytes, source_->get(key, {}, kPatience));
      PENSTOCK_CHECK(target_->put(key, bytes, kPatience));
      return hash_of(key, bytes);
    };
    PENSTOCK_CHECK(for_all(*source_, note.cursor, carry, [&](const auto& group, uint64_t hash) {
      digest.count += group.size();
      digest.hash += hash;
      for (const objects::ObjectInfo& info : group) note.bytes += info.size;
      note.items = digest.count;
      note.cursor = group.back().key;
      note.digest = digest.save();
      return moving_.journal.save();
    }));
    note.digest = digest.save();
    note.copied = true;
    return {};
  }

  Result<std::string> compare(PartNote& note) override {
    moving_.progress.begin(name(), "comparing", note.items, note.bytes);
    Digest found;
    const auto look = [this](const std::string& key) -> Result<uint64_t> {
      PENSTOCK_TRY(const std::string bytes, target_->get(key, {}, kPatience));
      return hash_of(key, bytes);
    };
    PENSTOCK_CHECK(for_all(*target_, "", look, [&](const auto& group, uint64_t hash) -> Status {
      found.count += group.size();
      found.hash += hash;
      return {};
    }));
    const Digest copied = Digest::load(note.digest);
    if (found != copied) {
      return fail(Code::kCorrupt,
                  fmt::format("{} objects were copied, and {} has {}, or other ones", copied.count,
                              to(), found.count));
    }
    return fmt::format("{} objects", found.count);
  }

  Status finish() override { return {}; }

 private:
  using Work = std::function<Result<uint64_t>(const std::string&)>;

  Status measure() {
    if (measured_) return {};
    std::string after;
    while (true) {
      PENSTOCK_TRY(const auto listed, source_->list("", after, kListed, kPatience));
      for (const objects::ObjectInfo& info : listed) {
        count_++;
        bytes_ += info.size;
        names_ += hash64(info.key, info.size);
      }
      if (listed.size() < kListed) break;
      after = listed.back().key;
    }
    measured_ = true;
    return {};
  }

  /// `work` for every object behind `after`, a few at a time; `done` for each few, in order, with
  /// the sum of what `work` answered.
  template <typename Done>
  Status for_all(objects::ObjectStore& store, std::string after, const Work& work, Done done) {
    while (true) {
      PENSTOCK_TRY(const auto listed, store.list("", after, kListed, kPatience));
      for (size_t from = 0; from < listed.size(); from += kAtOnce) {
        const auto first = listed.begin() + static_cast<std::ptrdiff_t>(from);
        const std::vector<objects::ObjectInfo> group(
            first, first + static_cast<std::ptrdiff_t>(std::min(kAtOnce, listed.size() - from)));
        PENSTOCK_TRY(const uint64_t hash, all_at_once(group, work));
        PENSTOCK_CHECK(done(group, hash));
        for (const objects::ObjectInfo& info : group) moving_.progress.add(1, info.size);
      }
      if (listed.size() < kListed) return {};
      after = listed.back().key;
    }
  }

  Result<uint64_t> all_at_once(const std::vector<objects::ObjectInfo>& group, const Work& work) {
    std::vector<Result<uint64_t>> answers(group.size());
    std::vector<std::promise<void>> ends(group.size());
    for (size_t i = 0; i < group.size(); i++) {
      const Status submitted =
          moving_.runtime.pool().submit([&, i] { answers[i] = work(group[i].key); }, thread_.loop(),
                                        [&, i] { ends[i].set_value(); });
      if (submitted) continue;
      answers[i] = std::unexpected(submitted.error());
      ends[i].set_value();
    }
    uint64_t sum = 0;
    for (std::promise<void>& end : ends) end.get_future().wait();
    for (Result<uint64_t>& answer : answers) {
      if (!answer) return std::unexpected(std::move(answer).error());
      sum += *answer;
    }
    return sum;
  }

  Moving& moving_;
  runtime::LoopThread thread_{"move"};
  std::unique_ptr<objects::ObjectStore> source_, target_;
  bool measured_ = false;
  uint64_t count_ = 0, bytes_ = 0, names_ = 0;
};

}  // namespace

std::unique_ptr<Part> make_objects_part(Moving& moving) {
  return std::make_unique<ObjectsPart>(moving);
}

}  // namespace penstock::cli::move
