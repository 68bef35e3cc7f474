#include "objects/retrying_objects.h"

#include <algorithm>

namespace penstock::objects {
namespace {

bool may_be_repeated(Code code) {
  return code == Code::kUnavailable || code == Code::kBusy || code == Code::kMaybe;
}

class RetryingObjects final : public ObjectStore {
 public:
  RetryingObjects(std::unique_ptr<ObjectStore> inner, runtime::Runtime& runtime,
                  std::function<void(Duration)> pause, RetryOptions options)
      : inner_(std::move(inner)),
        clock_(runtime.clock()),
        random_(runtime.random()),
        pause_(std::move(pause)),
        options_(options) {}

  Status start() override {
    Status done = inner_->start();
    for (int i = 1; !done && may_be_repeated(done.error().code) && i < options_.tries_max; i++) {
      pause_(pause_before(i));
      done = inner_->start();
    }
    return done;
  }
  Status put(std::string_view key, std::string_view bytes, Duration within) override {
    return repeated(within, [&](Duration left) { return inner_->put(key, bytes, left); });
  }
  Status put_if_absent(std::string_view key, std::string_view bytes, Duration within) override {
    bool unknown = false;
    return repeated(within, [&](Duration left) -> Status {
      Status done = inner_->put_if_absent(key, bytes, left);
      if (!done && done.error().code == Code::kConflict && unknown) {
        PENSTOCK_TRY(const std::string there, inner_->get(key, {}, left));
        if (there == bytes) return {};
      }
      unknown = unknown || (!done && done.error().code == Code::kMaybe);
      return done;
    });
  }
  Result<std::string> get(std::string_view key, ByteRange range, Duration within) override {
    return repeated(within, [&](Duration left) { return inner_->get(key, range, left); });
  }
  Result<std::vector<ObjectInfo>> list(std::string_view prefix, std::string_view after,
                                       size_t limit, Duration within) override {
    return repeated(within,
                    [&](Duration left) { return inner_->list(prefix, after, limit, left); });
  }
  Status remove(std::string_view key, Duration within) override {
    return repeated(within, [&](Duration left) { return inner_->remove(key, left); });
  }
  Result<ObjectInfo> stat(std::string_view key, Duration within) override {
    return repeated(within, [&](Duration left) { return inner_->stat(key, left); });
  }

 private:
  Duration pause_before(int again) {
    const auto doubled = options_.first_pause * (int64_t{1} << std::min(again - 1, 20));
    const int64_t most = std::min<Duration>(doubled, options_.longest_pause).count();
    const auto spread = static_cast<int64_t>(random_.next() % static_cast<uint64_t>(most / 2 + 1));
    return Duration(most - spread);
  }

  template <class Call>
  auto repeated(Duration within, Call call) -> decltype(call(within)) {
    const int64_t until = clock_.mono_ns() + std::chrono::nanoseconds(within).count();
    Duration left = within;
    for (int tries = 1;; tries++) {
      auto done = call(left);
      if (done || !may_be_repeated(done.error().code) || tries >= options_.tries_max) return done;
      const Duration pause = pause_before(tries);
      left =
          std::chrono::duration_cast<Duration>(std::chrono::nanoseconds(until - clock_.mono_ns()));
      if (left <= pause) return done;  // what is known is a better answer than a timeout
      pause_(pause);
      left -= pause;
    }
  }

  const std::unique_ptr<ObjectStore> inner_;
  runtime::Clock& clock_;
  runtime::Random& random_;
  const std::function<void(Duration)> pause_;
  const RetryOptions options_;
};

}  // namespace

std::unique_ptr<ObjectStore> make_retrying_objects(std::unique_ptr<ObjectStore> inner,
                                                   runtime::Runtime& runtime,
                                                   std::function<void(runtime::Duration)> pause,
                                                   RetryOptions options) {
  return std::make_unique<RetryingObjects>(std::move(inner), runtime, std::move(pause), options);
}

}  // namespace penstock::objects
