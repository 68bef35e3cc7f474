#include "log/embedded/scrub_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/probe.h"

namespace penstock::log {

void ScrubReader::go_behind(ScrubPlace place) {
  place_ = std::move(place);
  reading_ = false;
  file_.reset();
  walk_.reset();
}

Result<bool> ScrubReader::advance() {
  PENSTOCK_TRY(const auto topics, files_.list(directory_));
  for (const std::string& topic : topics) {
    // What repair put aside is damaged and known to be.
    if (topic < place_.topic || topic == "damaged") continue;
    auto names = files_.list(directory_ + "/" + topic);
    if (!names) continue;  // a file, not a topic's folder
    std::erase_if(*names, [](const std::string& n) { return !n.ends_with(".seg"); });
    // The last one is being written to.
    for (size_t i = 0; i + 1 < names->size(); i++) {
      const ScrubPlace here{topic, (*names)[i]};
      if (here <= place_) continue;
      go_behind(here);
      next_ = (*names)[i + 1];
      reading_ = true;
      return true;
    }
  }
  return false;
}

Status ScrubReader::begin() {
  PENSTOCK_TRY(const SegmentHeader header, read_segment_header(*file_, path_of(place_)));
  PENSTOCK_TRY(const uint64_t size, file_->size());
  // Its successor says which of its blocks are void. One that cannot be read is told when it is
  // looked at itself; until then everything here may be void.
  const std::string next = path_of({place_.topic, next_});
  number_limit_ = 0;
  if (const auto file = files_.open(next, {.read_only = true, .direct = true}); file) {
    if (const auto after = read_segment_header(**file, next)) number_limit_ = after->valid_before;
  }
  walk_ = Walk{header.epoch, header.base.size(), kSegmentHeaderBytes, header.first_block, size};
  return {};
}

std::optional<std::string> ScrubReader::walk(uint64_t bytes, ScrubPiece& piece) {
  bool over = false, enough = false;
  const WalkResult walked = walk_blocks(*file_, *walk_, [&](WalkedBlock&& block) {
    over = block.header.number >= number_limit_;
    enough = piece.bytes >= bytes;
    if (over || enough) return false;
    piece.bytes += block.header.padded();
    return true;
  });
  walk_->at = walked.at;
  walk_->number = walked.next_number;
  if (walked.end == WalkEnd::kIoError) return walked.error.message;
  if (walked.end == WalkEnd::kInvalid && walked.next_number < number_limit_) {
    return fmt::format("damaged at byte {}", walked.at);
  }
  piece.ended = !enough;
  return std::nullopt;
}

std::optional<std::string> ScrubReader::look(uint64_t bytes, ScrubPiece& piece) {
  if (!file_) {
    auto opened = files_.open(path_of(place_), {.read_only = true, .direct = true});
    if (!opened) {
      piece.status = std::unexpected(std::move(opened).error());
      return std::nullopt;
    }
    file_ = std::move(*opened);
  }
  if (!walk_) {
    if (const Status begun = begin(); !begun) return begun.error().message;
    piece.bytes += kSegmentHeaderBytes;
  }
  return walk(bytes, piece);
}

ScrubPiece ScrubReader::read(uint64_t bytes) {
  ScrubPiece piece;
  if (!reading_) {
    const auto more = advance();
    if (!more) {
      piece.status = std::unexpected(more.error());
      return piece;
    }
    piece.over = !*more;
    if (piece.over) return piece;
  }
  piece.problem = look(bytes, piece);
  const std::string named = path_of(place_) + " is ";
  if (piece.problem && piece.problem->starts_with(named)) piece.problem->erase(0, named.size());
  if (piece.problem || !piece.status) {
    file_.reset();  // the next look opens it anew
    // A segment loses its name before its file is written to again.
    if (!files_.exists(path_of(place_))) {
      probe<"log.scrub_meets_a_recycled_segment">();
      piece.problem.reset();
      piece.status = {};
      piece.ended = true;
    }
  }
  if (piece.ended) go_behind(place_);
  return piece;
}

}  // namespace penstock::log
