#include <chrono>

#include "base/diag.h"
#include "usage/usage.h"

namespace penstock::usage {
namespace {

constexpr size_t kFileBytesMax = 64U << 20;

}  // namespace

std::shared_ptr<UsageKeeper> UsageKeeper::make(std::shared_ptr<Usage> usage, runtime::Loop& loop,
                                               runtime::Runtime& runtime, std::string path) {
  return std::shared_ptr<UsageKeeper>(
      new UsageKeeper(std::move(usage), loop, runtime, std::move(path)));
}

void UsageKeeper::load() {
  if (!runtime_.files().exists(path_)) return;
  const auto text = runtime::read_file(runtime_.files(), path_, kFileBytesMax);
  Status read = text ? usage_->decode(*text, runtime_.clock().wall_ms())
                     : Status(std::unexpected(text.error()));
  if (read) return;
  // Quotas begin anew rather than keep the process from starting.
  diag::warn("usage counts not read; they begin at zero",
             {{"file", path_}, {"error", read.error().message}});
}

Status UsageKeeper::save() {
  const std::lock_guard lock(mutex_);
  std::string text = usage_->encode(month_at(runtime_.clock().wall_ms()));
  if (text == written_) return {};
  PENSTOCK_CHECK(runtime::write_file_atomic(runtime_.files(), path_, text));
  written_ = std::move(text);
  return {};
}

void UsageKeeper::start(int64_t period_ms) {
  period_ms_ = period_ms;
  loop_.post([self = shared_from_this()] { self->schedule(); });
}

void UsageKeeper::schedule() {
  const std::weak_ptr<UsageKeeper> weak = weak_from_this();
  loop_.after(std::chrono::milliseconds(period_ms_), [weak] {
    const auto self = weak.lock();
    if (!self) return;
    auto write = [self] {
      if (const Status done = self->save(); !done) {
        diag::warn("usage counts not written", {{"error", done.error().message}});
      }
    };
    auto again = [weak] {
      if (const auto still = weak.lock()) still->schedule();
    };
    // A full pool only postpones it.
    if (!self->runtime_.pool().submit(write, self->loop_, again)) self->schedule();
  });
}

}  // namespace penstock::usage
