// Books: what the ledger of a Penstock that runs says of every project, to be the same behind a
// move: nothing received, stored or refused is forgotten, and the equation holds.
//
// Asked over the admin API. main's thread; calls block.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "base/result.h"

namespace penstock::cli::move {

struct BooksLine {
  int64_t received = 0, stored = 0, dropped = 0, quarantined = 0, redriven = 0, deduplicated = 0;
  int64_t in_flight = 0;

  /// received less all that it should be the sum of.
  int64_t difference() const {
    return received - stored - dropped - quarantined - redriven - deduplicated - in_flight;
  }
};

struct Books {
  bool balanced = false;
  std::string detail;                     // why not
  std::map<int64_t, BooksLine> projects;  // 0: of keys that no project had
};

/// kNotFound: it has no admin API that could be asked.
Result<Books> books_of(const std::string& data_dir);

/// Asks again until they agree with what they were: what is decided stays, and all adds up. Answers
/// a line for every project. kCorrupt: they do not, in a minute.
Result<std::string> books_agree(const std::string& data_dir, const Books& before);

}  // namespace penstock::cli::move
