// ScrubState: where a scrub stands and what it found, as the small file that outlives a process.
//
// Pure functions over text; docs/formats/log_segment.md draws it. Failure: a text that does not
// make sense answers nothing, and the scrub begins anew.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "log/embedded/scrub_reader.h"
#include "log/scrub.h"

namespace penstock::log {

struct ScrubState {
  bool running = false;  // a pass is under way, and `place` is the last segment it is through with
  ScrubPlace place;
  int64_t began_ms = 0;           // of that pass, else of the last; 0: there was none
  uint64_t bytes = 0, files = 0;  // of it so far
  int64_t last_ended_ms = 0;
  uint64_t last_bytes = 0, last_files = 0;
  std::map<ScrubPlace, ScrubDamage> damage;

  std::string encode() const;
  static std::optional<ScrubState> decode(std::string_view text);
};

}  // namespace penstock::log
