// Of one process that loads alone: a file with one batch.
#include <algorithm>
#include <utility>

#include "base/probe.h"
#include "load/batch/intents.h"

namespace penstock::load {
namespace {

constexpr size_t kIntentBytesMax = 4U << 20;

size_t index(Partition p) { return static_cast<size_t>(p.value); }

class FileIntents : public Intents {
 public:
  FileIntents(runtime::Loop& loop, runtime::Runtime& runtime, std::string path)
      : loop_(loop), runtime_(runtime), path_(std::move(path)) {}

  ~FileIntents() override { *alive_ = false; }

  Status start(std::vector<Offset> at, std::function<void()>) override {
    ends_ = stored_ = std::move(at);
    PENSTOCK_TRY(std::optional<Intent> found,
                 read_intent_file(runtime_.files(), path_, ends_.size()));
    if (!found) {
      runtime_.random().fill(last_.epoch.bytes);
      return {};
    }
    last_ = std::move(*found);
    resume();
    return {};
  }

  void stop() override { generation_++; }
  bool ready() const override { return true; }
  std::vector<Offset> ends() const override { return ends_; }
  std::vector<Offset> stored() const override { return stored_; }

  std::optional<Intent> open(const std::vector<bool>&, const std::vector<bool>&) override {
    return std::exchange(open_, std::nullopt);
  }

  void lost(Partition partition, Offset start) override {
    for (std::vector<Offset>* at : {&ends_, &stored_}) {
      (*at)[index(partition)] = std::max((*at)[index(partition)], start);
    }
  }

  Intent next(const std::vector<Range>& ranges) override {
    last_.sequence++;
    last_.ranges = ranges;
    last_.split = {};
    for (const Range& r : ranges) ends_[index(r.partition)] = r.to;
    return last_;
  }

  void write(const Intent& intent, Written done) override {
    note(intent, [done = std::move(done)](Status s) mutable {
      if (!s) return done(std::unexpected(std::move(s).error()));
      done(true);
    });
  }

  void note(const Intent& intent, std::move_only_function<void(Status)> done) override {
    auto status = std::make_shared<Status>();
    auto shared = std::make_shared<std::move_only_function<void(Status)>>(std::move(done));
    const Status submitted = runtime_.pool().submit(
        [status, &files = runtime_.files(), path = path_, bytes = intent.encode()] {
          *status = runtime::write_file_atomic(files, path, bytes);
        },
        loop_,
        [this, alive = alive_, generation = generation_, status, shared] {
          if (!*alive || generation != generation_) return;
          if (!*status) probe<"load.intent_not_written">();
          (*shared)(*status);
        });
    if (submitted) return;
    probe<"load.pool_is_full">();
    (*shared)(submitted);
  }

  void note_stored(const Intent& intent) override {
    for (const Range& r : intent.ranges) {
      stored_[index(r.partition)] = std::max(stored_[index(r.partition)], r.to);
    }
  }

 private:
  /// All below the intent is stored, whatever was committed; the batch itself is repeated unless
  /// its end was committed, which happens only after the store's answer.
  void resume() {
    if (last_.sequence == 0) return;
    const bool again = std::ranges::any_of(last_.ranges, [&](const Range& r) {
      return r.from < r.to && ends_[index(r.partition)] < r.to;
    });
    again ? probe<"load.batch_is_repeated">() : probe<"load.last_batch_was_stored">();
    for (const Range& r : last_.ranges) {
      Offset& end = ends_[index(r.partition)];
      Offset& own = stored_[index(r.partition)];
      end = again ? r.to : std::max(end, r.to);
      own = again ? r.from : end;
    }
    if (again) open_ = last_;
  }

  runtime::Loop& loop_;
  runtime::Runtime& runtime_;
  std::string path_;
  std::vector<Offset> ends_, stored_;
  Intent last_;  // written, or found at start
  std::optional<Intent> open_;
  uint64_t generation_ = 0;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace

Result<std::optional<Intent>> read_intent_file(runtime::FileSystem& files, const std::string& path,
                                               size_t partitions) {
  if (!files.exists(path)) return std::nullopt;
  PENSTOCK_TRY(const std::string bytes, runtime::read_file(files, path, kIntentBytesMax));
  auto intent = Intent::decode(bytes);
  if (!intent) {
    return fail(intent.error().code, path + ": " + intent.error().message +
                                         ". Without this file the last batch may be stored twice");
  }
  for (const Range& r : intent->ranges) {
    if (r.partition.value < 0 || index(r.partition) >= partitions) {
      return fail(Code::kInvalid, path + " names a partition that is not there");
    }
  }
  return std::move(*intent);
}

std::unique_ptr<Intents> make_file_intents(runtime::Loop& loop, runtime::Runtime& runtime,
                                           std::string path) {
  return std::make_unique<FileIntents>(loop, runtime, std::move(path));
}

}  // namespace penstock::load
