#include "log/scrub.h"

#include <algorithm>
#include <chrono>
#include <mutex>
#include <utility>

#include "base/diag.h"
#include "base/metrics.h"
#include "base/probe.h"
#include "log/embedded/scrub_reader.h"
#include "log/embedded/scrub_state.h"

namespace penstock::log {
namespace {

Counter bytes_total{"penstock_log_scrub_bytes_total",
                    "Bytes of old segments whose checksums were compared in the background."};
Counter passes_total{"penstock_log_scrub_passes_total", "Passes over all old segments ended."};
Counter found_total{"penstock_log_scrub_damage_found_total",
                    "Segments in which the background check found damage."};
Gauge damaged_gauge{"penstock_log_scrub_damaged_files",
                    "Damaged segments that are still there; above 0: runbook log_damage_found."};
Gauge last_pass_gauge{"penstock_log_scrub_last_pass_ended_seconds",
                      "When the last full pass ended, in seconds since 1970; 0: none yet."};

constexpr size_t kStateBytesMax = 1U << 20;
constexpr size_t kDamageMax = 1000;  // remembered; all are counted
constexpr size_t kToldMax = 10;
constexpr uint64_t kPieceMin = 256U << 10, kPieceMax = 4U << 20;
constexpr int64_t kLookMs = 1000;  // for a pass to be due

class LogScrub final : public Scrub {
 public:
  LogScrub(runtime::Loop& loop, runtime::Runtime& runtime, ScrubOptions options)
      : loop_(loop),
        runtime_(runtime),
        options_(std::move(options)),
        reader_(std::make_shared<ScrubReader>(runtime.files(), options_.directory)) {}
  ~LogScrub() override { *alive_ = false; }

  void start() override {
    if (options_.bytes_per_second == 0) return;
    read_state();
    tell("");
    look();
  }

  ScrubStatus status() const override {
    const std::lock_guard lock(mutex_);
    return status_;
  }

 private:
  void after(int64_t us, void (LogScrub::*step)()) {
    loop_.after(std::chrono::microseconds(us), [this, alive = alive_, step] {
      if (*alive) (this->*step)();
    });
  }

  /// Begins a pass when it is time.
  void look() {
    const int64_t now_ms = runtime_.clock().wall_ms();
    const bool due = state_.began_ms == 0 || now_ms < state_.began_ms ||
                     now_ms - state_.began_ms >= options_.every_ms;
    if (!state_.running && !due) return after(kLookMs * 1000, &LogScrub::look);
    if (!state_.running) {
      state_.running = true;
      state_.place = {};
      state_.began_ms = now_ms;
      state_.bytes = state_.files = 0;
    }
    reader_->go_behind(state_.place);
    read();
  }

  void read() {
    struct Job {
      ScrubPiece piece;
      std::vector<ScrubPlace> gone;
    };
    auto job = std::make_shared<Job>();
    std::vector<ScrubPlace> damaged;
    for (const auto& [at, d] : state_.damage) damaged.push_back(at);
    const uint64_t bytes = std::clamp(options_.bytes_per_second / 2, kPieceMin, kPieceMax);
    const Status submitted = runtime_.pool().submit(
        [job, bytes, reader = reader_, &files = runtime_.files(), damaged = std::move(damaged)] {
          job->piece = reader->read(bytes);
          if (!job->piece.over) return;
          for (const ScrubPlace& at : damaged) {
            if (!files.exists(reader->path_of(at))) job->gone.push_back(at);
          }
        },
        loop_,
        [this, alive = alive_, job] {
          if (!*alive) return;
          for (const ScrubPlace& at : job->gone) state_.damage.erase(at);
          has_read(job->piece);
        });
    if (!submitted) after(options_.again_ms * 1000, &LogScrub::read);  // the pool is full
  }

  void has_read(const ScrubPiece& piece) {
    bytes_total.add(piece.bytes);
    checked_ += piece.bytes;
    state_.bytes += piece.bytes;
    if (!piece.status) {
      tell(piece.status.error().message);
      return after(options_.again_ms * 1000, &LogScrub::read);
    }
    if (piece.over) return pass_ended();
    if (piece.problem && !doubted_) {
      probe<"log.scrub_looks_again">();
      doubted_ = true;
      tell("");
      return after(options_.again_ms * 1000, &LogScrub::read);
    }
    doubted_ = false;
    if (piece.problem) {
      found(*piece.problem);
      reader_->go_behind(reader_->place());
    } else if (piece.ended) {
      state_.damage.erase(reader_->place());  // restored, or it could be read after all
    }
    tell("");
    const auto us = static_cast<int64_t>(piece.bytes * 1'000'000 / options_.bytes_per_second);
    if (piece.problem || piece.ended) {
      state_.place = reader_->place();
      state_.files++;
      return write_state(us);
    }
    after(us, &LogScrub::read);
  }

  void found(const std::string& problem) {
    const ScrubPlace& at = reader_->place();
    const std::string file = reader_->path_of(at);
    probe<"log.scrub_found_damage">();
    if (!state_.damage.contains(at)) {
      found_total.add();
      diag::error("a segment of the log is damaged", {{"file", file}, {"problem", problem}});
    }
    if (state_.damage.size() >= kDamageMax) return;
    state_.damage.try_emplace(at, ScrubDamage{file, problem, runtime_.clock().wall_ms()});
  }

  void pass_ended() {
    state_.running = false;
    state_.place = {};
    state_.last_ended_ms = runtime_.clock().wall_ms();
    state_.last_bytes = state_.bytes;
    state_.last_files = state_.files;
    passes_total.add();
    tell("");
    write_state(kLookMs * 1000);
  }

  /// Then goes on after `us`.
  void write_state(int64_t us) {
    const Status submitted = runtime_.pool().submit(
        [&files = runtime_.files(), path = options_.state_path, text = state_.encode()] {
          // Without it a restart only reads again what was read before.
          (void)runtime::write_file_atomic(files, path, text);
        },
        loop_,
        [this, alive = alive_, us] {
          if (*alive) after(us, state_.running ? &LogScrub::read : &LogScrub::look);
        });
    if (!submitted) after(us, state_.running ? &LogScrub::read : &LogScrub::look);
  }

  void read_state() {
    if (!runtime_.files().exists(options_.state_path)) return;
    const auto text = runtime::read_file(runtime_.files(), options_.state_path, kStateBytesMax);
    auto state = text ? ScrubState::decode(*text) : std::nullopt;
    if (!state) return diag::warn("the last scrub is not known", {{"file", options_.state_path}});
    state_ = std::move(*state);
    for (auto& [at, d] : state_.damage) d.file = reader_->path_of(at);
    std::erase_if(state_.damage, [this](const auto& entry) {
      return !runtime_.files().exists(entry.second.file);
    });
  }

  void tell(const std::string& error) {
    if (!error.empty() && error != status().last_error) {
      diag::warn("the scrub waits", {{"error", error}});
    }
    damaged_gauge.set(static_cast<int64_t>(state_.damage.size()));
    last_pass_gauge.set(state_.last_ended_ms / 1000);
    const std::lock_guard lock(mutex_);
    status_.running = state_.running;
    const ScrubPlace& at = reader_->place();
    status_.file = state_.running && !at.name.empty() ? reader_->path_of(at) : "";
    status_.bytes_checked = checked_;
    status_.pass_began_ms = state_.began_ms;
    status_.last_ended_ms = state_.last_ended_ms;
    status_.last_bytes = state_.last_bytes;
    status_.last_files = state_.last_files;
    status_.last_error = error;
    status_.damaged_files = state_.damage.size();
    status_.damage.clear();
    for (const auto& [place, d] : state_.damage) {
      if (status_.damage.size() < kToldMax) status_.damage.push_back(d);
    }
  }

  runtime::Loop& loop_;
  runtime::Runtime& runtime_;
  const ScrubOptions options_;
  std::shared_ptr<ScrubReader> reader_;  // of the job that runs, else of the loop
  ScrubState state_;
  bool doubted_ = false;  // the last look found something
  uint64_t checked_ = 0;
  mutable std::mutex mutex_;
  ScrubStatus status_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace

std::unique_ptr<Scrub> Scrub::make(runtime::Loop& loop, runtime::Runtime& runtime,
                                   ScrubOptions options) {
  return std::make_unique<LogScrub>(loop, runtime, std::move(options));
}

}  // namespace penstock::log
