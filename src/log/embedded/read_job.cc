#include "log/embedded/read_job.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/diag.h"
#include "base/probe.h"
#include "log/embedded/metrics.h"
#include "log/record_codec.h"

namespace penstock::log {

/// False: the block's records are not what its checked bytes say, or its offsets leave a gap.
bool Topic::ReadJob::take(Piece& piece, WalkedBlock&& block) {
  if (piece.learnt.empty() ||
      block.at >= piece.learnt.back().at + index_every(piece.walk.partitions)) {
    piece.learnt.push_back({block.at, block.header.number, piece.base});
  }
  for (const SubBatch& s : block.subs) {
    const auto i = static_cast<size_t>(s.partition.value);
    const int64_t end = s.base.value + s.count;
    piece.base[i] = end;
    if (wanted[i] == kNotAsked || end <= wanted[i]) continue;
    ReadBatch batch{s.partition, s.base, s.producer, s.sequence, {}, block.owner};
    if (!split_records(s.data, s.count, batch.records)) return false;
    wanted[i] = end;
    bytes += s.data.size();
    batches.push_back(std::move(batch));
  }
  return true;
}

Status Topic::ReadJob::read(runtime::FileSystem& files, Piece& piece, bool direct) {
  PENSTOCK_TRY(const auto file, files.open(piece.path, {.direct = direct}));
  bool malformed = false, over = false;
  const WalkResult walked = walk_blocks(*file, piece.walk, [&](WalkedBlock&& block) {
    over = block.header.number >= piece.number_limit;
    if (over) {
      probe<"log.read_stops_at_void_block">();
      return false;
    }
    malformed = !take(piece, std::move(block));
    return !malformed && bytes < bytes_max;
  });
  if (walked.end == WalkEnd::kIoError) return fail(walked.error, "read the log");
  // The newest one ends where it was written to; another that ends before its successor goes on is
  // cut off, and its records must not be passed over in silence.
  const bool at_end = walked.end == WalkEnd::kReachedEnd && piece.number_limit == UINT64_MAX;
  const bool ended =
      at_end || over || bytes >= bytes_max || walked.next_number >= piece.number_limit;
  if (ended && !malformed) return {};
  // A retry goes on behind what was good.
  piece.walk.at = walked.at;
  piece.walk.number = walked.next_number;
  return fail(
      Code::kCorrupt,
      fmt::format(
          "{} is damaged at byte {}; stop, then run: penstock log repair --data DIR --topic {}",
          piece.path, walked.at, topic));
}

void Topic::ReadJob::run(runtime::FileSystem& files) {
  for (Piece& piece : pieces) {
    status = read(files, piece, false);
    if (!status && status.error().code == Code::kCorrupt) {
      probe<"log.read_again_from_the_disk">();
      // The page cache may hold what stood there before a direct write; the disk decides.
      status = read(files, piece, true);
    }
    if (!status) {
      // What was read before the damage is good; the next fetch meets the damage first.
      if (!batches.empty()) status = {};
      return;
    }
    if (bytes >= bytes_max) return;
    // Offsets that repair gave up are passed over, not waited for.
    for (size_t i = 0; i < wanted.size(); i++) {
      if (wanted[i] != kNotAsked) wanted[i] = std::max(wanted[i], piece.end[i]);
    }
  }
}

}  // namespace penstock::log
