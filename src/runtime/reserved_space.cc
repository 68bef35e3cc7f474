#include "runtime/reserved_space.h"

#include <filesystem>
#include <limits>
#include <utility>

#include "base/diag.h"

namespace penstock::runtime {

ReservedSpace::ReservedSpace(FileSystem& files, ReservedSpaceOptions options)
    : files_(files), options_(std::move(options)), held_(files.exists(options_.path)) {}

Status ReservedSpace::room(uint64_t bytes) {
  const std::scoped_lock lock(mutex_);
  if (free_bytes() >= options_.floor + bytes) return {};
  if (held_) release();
  if (free_bytes() >= options_.floor + bytes) return {};
  return fail(Code::kExhausted, "the disk is full");
}

void ReservedSpace::look() {
  const std::scoped_lock lock(mutex_);
  const uint64_t free = free_bytes();
  if (held_ && free < options_.floor) release();
  if (!held_ && options_.bytes > 0 && free >= options_.bytes + options_.headroom) take();
}

bool ReservedSpace::held() const {
  const std::scoped_lock lock(mutex_);
  return held_;
}

uint64_t ReservedSpace::free_bytes() const {
  const std::string folder = std::filesystem::path(options_.path).parent_path().string();
  return files_.free_bytes(folder).value_or(std::numeric_limits<uint64_t>::max());
}

void ReservedSpace::release() {
  if (const Status removed = files_.remove(options_.path); !removed) {
    diag::warn("reserved disk space not given up", {{"error", removed.error().message}});
    return;
  }
  held_ = false;
  diag::warn("the disk is full: reserved space is given up", {{"file", options_.path}});
}

void ReservedSpace::take() {
  const auto run = [this]() -> Status {
    PENSTOCK_TRY(const auto file, files_.open(options_.path, {.create = true, .truncate = true}));
    return file->allocate(options_.bytes);
  };
  held_ = true;
  if (const Status taken = run(); !taken) {
    diag::warn("disk space not reserved", {{"error", taken.error().message}});
    held_ = !files_.remove(options_.path);
  }
}

}  // namespace penstock::runtime
