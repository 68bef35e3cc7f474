// Preparing: a new segment's file is made ahead of need, a little at a time.
//
// Overwriting written blocks is several times cheaper than filling a fresh file, so a spare is
// written once with zeros. All of it at once would hold the disk for a tenth of a second and every
// commit with it; a piece every few milliseconds is not noticed. Whoever runs out of room before it
// is done gets the rest without pauses. The file grows with its pieces: space that is reserved
// first and filled later makes the file system change its books with every piece, which was
// measured to take ten times as long.
#include <algorithm>
#include <chrono>

#include "base/diag.h"
#include "base/probe.h"
#include "log/embedded/topic.h"

namespace penstock::log {
namespace {

constexpr uint64_t kPieceBytes = 2U << 20;
constexpr auto kPause = std::chrono::milliseconds(8);

}  // namespace

struct Topic::Preparation {
  Spare spare;
  std::unique_ptr<runtime::File> file;
  uint64_t at = 0;
  bool done = false;
  Status status;
};

void Topic::prepare(uint64_t bytes) {
  preparing_ = true;
  auto preparation = std::make_shared<Preparation>();
  preparation->spare = new_spare(bytes);
  prepare_step(preparation);
}

void Topic::prepare_step(const std::shared_ptr<Preparation>& preparation) {
  const Status submitted = runtime_.pool().submit(
      [this, self = shared_from_this(), preparation] {
        Preparation& p = *preparation;
        const auto run = [&]() -> Status {
          if (!p.file) {
            const auto free = runtime_.files().free_bytes(directory_);
            if (free && *free < p.spare.bytes + free_reserve()) {
              probe<"log.reserve_is_kept">();
              return fail(Code::kExhausted, "the disk has less free space than the reserve");
            }
            PENSTOCK_TRY(p.file,
                         runtime_.files().open(p.spare.path,
                                               {.create = true, .truncate = true, .direct = true}));
          }
          const uint64_t n = std::min(kPieceBytes, p.spare.bytes - p.at);
          PENSTOCK_CHECK(zero_segment_file(*p.file, p.at, n));
          p.at += n;
          p.done = p.at == p.spare.bytes;
          return p.done ? p.file->sync() : Status{};
        };
        p.status = run();
        if (p.status) return;
        p.file.reset();
        if (const Status removed = runtime_.files().remove(p.spare.path); !removed) {
          diag::warn("unfinished segment not removed", {{"file", p.spare.path}});
        }
      },
      loop_, [this, self = shared_from_this(), preparation] { prepare_next(preparation); });
  if (submitted) return;
  probe<"log.preparation_not_started">();
  preparation->status = submitted;
  // Posted: a caller that asks again at once would otherwise never return.
  loop_.post([this, self = shared_from_this(), preparation] { prepare_next(preparation); });
}

void Topic::prepare_next(const std::shared_ptr<Preparation>& preparation) {
  Preparation& p = *preparation;
  if (p.done || !p.status) return prepared(p.spare, p.status);
  if (stopped_ || is_behind(p)) {
    // A log that stops finishes it, so that the next life has it.
    return prepare_step(preparation);
  }
  loop_.after(kPause,
              [this, self = shared_from_this(), preparation] { prepare_step(preparation); });
}

/// True when the segment would be full before its successor is ready at the pace of the pauses.
bool Topic::is_behind(const Preparation& preparation) const {
  if (segments_.empty()) return true;
  const bool waited_for = !pending_.empty() && !writing_ && !fits(padded(next_block_bytes()));
  if (waited_for) return true;
  const Segment& current = *segments_.back();
  const uint64_t room = current.bytes - std::min(current.used, current.bytes);
  // It begins at half: the share that is left to write must not exceed the share of room left.
  return preparation.spare.bytes - preparation.at > 2 * room;
}

}  // namespace penstock::log
