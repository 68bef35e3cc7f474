#include "load/squash.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <mutex>
#include <sstream>
#include <utility>

#include "base/diag.h"
#include "base/metrics.h"

namespace penstock::load {
namespace {

Counter runs_total{"penstock_squash_runs_total", "Squashes that went well."};
Counter failures_total{"penstock_squash_failures_total", "Squashes that are tried again."};
Gauge overrides_gauge{"penstock_squash_overrides",
                      "Distinct ids whose event rows may still carry an older person."};

constexpr size_t kStateBytesMax = 4096;
// A run that was not asked for begins after a rest of so many times what the last one took.
constexpr int64_t kRestFactor = 100;
constexpr char kElsewhere[] = "another process with load squashes: ask there";

class StoreSquash : public Squash {
 public:
  StoreSquash(runtime::Loop& loop, runtime::Runtime& runtime, store::EventStore& store,
              Loader& loader, SquashOptions options)
      : loop_(loop),
        runtime_(runtime),
        store_(store),
        loader_(loader),
        options_(std::move(options)) {
    status_.phase = "idle";
  }

  ~StoreSquash() override { *alive_ = false; }

  void start() override {
    read_state();
    // A store that has never been squashed has its first run an interval from now.
    if (status_.last_ended_ms == 0) since_ms_ = runtime_.clock().wall_ms();
    look();
  }

  void stop() override { stopping_ = true; }

  void run_now() override {
    loop_.post([this, alive = alive_] {
      if (!*alive) return;
      if (leads()) return begin();
      const std::lock_guard lock(mutex_);
      status_.attempts++;
      status_.last_error = kElsewhere;
    });
  }

  SquashStatus status() const override {
    const std::lock_guard lock(mutex_);
    SquashStatus out = status_;
    out.overrides = store_.health().overrides;
    return out;
  }

 private:
  bool leads() const { return !options_.leads || options_.leads(); }

  void look() {
    if (stopping_) return;
    const store::StoreHealth health = store_.health();
    overrides_gauge.set(static_cast<int64_t>(health.overrides));
    if (health.ready && is_due(health.overrides) && leads()) begin();
    loop_.after(std::chrono::milliseconds(options_.look_ms), [this, alive = alive_] {
      if (*alive) look();
    });
  }

  bool is_due(uint64_t overrides) const {
    const int64_t now_ms = runtime_.clock().wall_ms();
    if (running_ || overrides == 0 || options_.interval_ms == 0) return false;
    if (now_ms < failed_ms_ + pause_ms_ && now_ms >= failed_ms_) return false;
    if (overrides >= options_.overrides_max || now_ms - since_ms_ >= options_.interval_ms) {
      return true;
    }
    if (options_.overrides_early == 0 || overrides < options_.overrides_early) return false;
    const std::lock_guard lock(mutex_);
    const int64_t rest_ms = kRestFactor * status_.last_elapsed_ms;
    return now_ms - since_ms_ >= std::max(options_.early_ms_min, rest_ms);
  }

  void begin() {
    if (running_ || stopping_) return;
    running_ = true;
    began_ms_ = runtime_.clock().wall_ms();
    {
      const std::lock_guard lock(mutex_);
      status_.attempts++;
      status_.last_error = "";
    }
    set_phase("freezing");
    store_.freeze_overrides([this, alive = alive_](Result<uint64_t> count) {
      if (!*alive) return;
      if (!count) return ended(std::unexpected(std::move(count).error()));
      tell({*count, 0, 0, 0});
      wait_for_rows();
    });
  }

  void wait_for_rows() {
    set_phase("waiting for rows");
    loader_.when_all_stored([this, alive = alive_](Status stored) {
      if (!*alive) return;
      if (!stored) return ended(std::unexpected(std::move(stored).error()));
      set_phase("rewriting");
      store_.squash_overrides(
          [this, alive = alive_](const store::SquashProgress& p) {
            if (!*alive) return false;
            tell(p);
            return leads();
          },
          [this, alive = alive_](Result<store::SquashProgress> done) {
            if (*alive) ended(std::move(done));
          });
    });
  }

  void ended(Result<store::SquashProgress> done) {
    running_ = false;
    const int64_t now_ms = runtime_.clock().wall_ms();
    {
      const std::lock_guard lock(mutex_);
      status_.running = false;
      status_.phase = "idle";
      status_.last_error = done ? "" : done.error().message;
      if (done) {
        status_.run = *done;
        status_.last_ended_ms = now_ms;
        status_.last_elapsed_ms = now_ms - began_ms_;
      }
    }
    if (!done) {
      failed_ms_ = now_ms;
      pause_ms_ = std::clamp(pause_ms_ * 2, options_.retry_ms, options_.retry_ms_max);
      failures_total.add();
      return diag::warn("squash is tried again", {{"error", done.error().message}});
    }
    since_ms_ = now_ms;
    pause_ms_ = 0;
    runs_total.add();
    diag::info("squash done", {{"overrides", done->overrides},
                               {"rows", done->rows_rewritten},
                               {"ms", now_ms - began_ms_}});
    write_state();
  }

  // --- what was done last -----------------------------------------------------------------------

  void read_state() {
    if (!runtime_.files().exists(options_.state_path)) return;
    const auto text = runtime::read_file(runtime_.files(), options_.state_path, kStateBytesMax);
    if (!text) return;
    std::istringstream in(*text);
    SquashStatus s;
    if (!(in >> s.last_ended_ms >> s.last_elapsed_ms >> s.run.overrides >> s.run.rows_rewritten)) {
      return diag::warn("the last squash is not known", {{"file", options_.state_path}});
    }
    since_ms_ = s.last_ended_ms;
    s.phase = "idle";
    const std::lock_guard lock(mutex_);
    status_ = std::move(s);
  }

  void write_state() {
    const SquashStatus s = status();
    std::string text = fmt::format("{} {} {} {}\n", s.last_ended_ms, s.last_elapsed_ms,
                                   s.run.overrides, s.run.rows_rewritten);
    const Status submitted = runtime_.pool().submit(
        [&files = runtime_.files(), path = options_.state_path, text = std::move(text)] {
          // Without it the next run only comes earlier or later.
          (void)runtime::write_file_atomic(files, path, text);
        },
        loop_, [] {});
    if (!submitted) diag::warn("the last squash is not written down", {});
  }

  void set_phase(std::string phase) {
    const std::lock_guard lock(mutex_);
    status_.running = true;
    status_.phase = std::move(phase);
  }

  void tell(const store::SquashProgress& progress) {
    const std::lock_guard lock(mutex_);
    status_.run = progress;
  }

  runtime::Loop& loop_;
  runtime::Runtime& runtime_;
  store::EventStore& store_;
  Loader& loader_;
  SquashOptions options_;
  bool running_ = false, stopping_ = false;
  int64_t began_ms_ = 0, since_ms_ = 0, failed_ms_ = 0, pause_ms_ = 0;
  mutable std::mutex mutex_;
  SquashStatus status_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace

std::unique_ptr<Squash> Squash::make(runtime::Loop& loop, runtime::Runtime& runtime,
                                     store::EventStore& store, Loader& loader,
                                     SquashOptions options) {
  return std::make_unique<StoreSquash>(loop, runtime, store, loader, std::move(options));
}

}  // namespace penstock::load
