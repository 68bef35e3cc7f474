#include "main/disk_watch.h"

#include <chrono>
#include <utility>

#include "kv/reopening_kv.h"

namespace penstock::cli {
namespace {

constexpr auto kPause = std::chrono::milliseconds(250);

}  // namespace

DiskWatch::DiskWatch(runtime::Runtime& runtime, runtime::ReservedSpaceOptions options)
    : runtime_(runtime),
      reserved_(std::make_shared<runtime::ReservedSpace>(runtime.files(), std::move(options))) {
  reserved_->look();
}

void DiskWatch::start(runtime::Loop& loop) {
  loop_ = &loop;
  loop.post([this, alive = alive_] {
    if (*alive) look();
  });
}

void DiskWatch::look() {
  const auto again = [this, alive = alive_] {
    if (*alive) look();
  };
  const Status submitted =
      runtime_.pool().submit([reserved = reserved_] { reserved->look(); }, *loop_,
                             [this, alive = alive_, again] {
                               if (*alive) loop_->after(kPause, again);
                             });
  if (!submitted) loop_->after(kPause, again);
}

Result<std::unique_ptr<kv::KeyValue>> DiskWatch::open(const kv::RocksOptions& options) {
  auto kv = kv::open_reopening_kv(
      {.open = [options] { return kv::open_rocks_kv(options); },
       .room = [reserved = reserved_](uint64_t bytes) { return reserved->room(bytes); }});
  if (!kv && kv.error().code == Code::kExhausted) {
    return fail(Code::kExhausted,
                "the disk is full: make room below " + options.path + ", 64 MiB at least");
  }
  return kv;
}

}  // namespace penstock::cli
