#include "log/embedded/scrub_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/probe.h"

namespace penstock::log {

void ScrubReader::go_behind(ScrubPlace place) {
  leave_segment();
  place_ = std::move(place);
  listed_.clear();
  names_.clear();
  at_ = 0;
}

void ScrubReader::leave_segment() {
  reading_ = false;
  file_.reset();
  walk_.reset();
}

Result<bool> ScrubReader::list_next_topic() {
  PENSTOCK_TRY(const auto topics, files_.list(directory_));
  for (const std::string& topic : topics) {
    // What repair put aside is damaged and known to be.
    if (topic == "damaged" || topic < place_.topic) continue;
    if (!listed_.empty() && topic <= listed_) continue;
    listed_ = topic;
    at_ = 0;
    auto names = files_.list(directory_ + "/" + topic);
    names_ = names ? std::move(*names) : std::vector<std::string>();  // a file is no topic's folder
    std::erase_if(names_, [](const std::string& n) { return !n.ends_with(".seg"); });
    return true;
  }
  listed_.clear();
  return false;
}

Result<bool> ScrubReader::advance() {
  for (;;) {
    // The last one is being written to.
    while (at_ + 1 < names_.size()) {
      ScrubPlace here{listed_, names_[at_++]};
      if (here <= place_) continue;
      leave_segment();
      place_ = std::move(here);
      next_ = names_[at_];
      reading_ = true;
      return true;
    }
    names_.clear();
    PENSTOCK_TRY(const bool more, list_next_topic());
    if (!more) return false;
  }
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
  if (walked.end == WalkEnd::kReachedEnd && walked.next_number < number_limit_) {
    return cut_off_text(walked.at);
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
  if (piece.ended) leave_segment();
  return piece;
}

}  // namespace penstock::log
