// ScrubReader: finds the next sealed segment and walks over its blocks, a piece at a time.
//
// Used by one pool job after the other, never by two at once. It opens files by their names while
// the log runs, so a segment may be recycled under it: what looks damaged and has lost its name is
// not damage. Reading goes past the page cache, whose pages others need more.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "log/embedded/segment.h"
#include "runtime/runtime.h"

namespace penstock::log {

/// A segment by its topic's folder and its file's name, in whose order a pass goes.
struct ScrubPlace {
  std::string topic, name;
  auto operator<=>(const ScrubPlace&) const = default;
};

struct ScrubPiece {
  uint64_t bytes = 0;  // read
  bool over = false;   // there is no further segment: the pass is through
  bool ended = false;  // the segment at `place` is through
  /// Of the segment at `place`. The next read looks at the same bytes once more.
  std::optional<std::string> problem;
  Status status;  // what kept it from looking
};

class ScrubReader {
 public:
  ScrubReader(runtime::FileSystem& files, std::string directory)
      : files_(files), directory_(std::move(directory)) {}

  /// Goes on with the segment after this one.
  void go_behind(ScrubPlace place);
  const ScrubPlace& place() const { return place_; }
  std::string path_of(const ScrubPlace& p) const {
    return directory_ + "/" + p.topic + "/" + p.name;
  }

  /// Reads about `bytes`; blocks.
  ScrubPiece read(uint64_t bytes);

 private:
  /// Moves to the next sealed segment; false when there is none.
  Result<bool> advance();
  /// To the first topic behind the one that is listed; false when there is none.
  Result<bool> list_next_topic();
  void leave_segment();
  std::optional<std::string> look(uint64_t bytes, ScrubPiece& piece);
  Status begin();
  std::optional<std::string> walk(uint64_t bytes, ScrubPiece& piece);

  runtime::FileSystem& files_;
  const std::string directory_;
  ScrubPlace place_;
  std::string next_;  // name of the segment that follows
  // A folder is listed once in a pass: one that is gone meanwhile is met as such, one that is new
  // comes with the next pass. Listing it for each segment is a cost that grows with its square.
  std::string listed_;              // a topic; empty: none yet
  std::vector<std::string> names_;  // its segments
  size_t at_ = 0;                   // the first that was not looked at
  bool reading_ = false;
  // Of the segment at `place_`:
  std::unique_ptr<runtime::File> file_;
  std::optional<Walk> walk_;  // where it goes on; none: the header is not read yet
  uint64_t number_limit_ = 0;
};

}  // namespace penstock::log
