// Intent: what the loader is about to store, written to the data directory before it is sent.
//
// It is also the loader's own progress: everything below `from` is stored, whatever the log's
// committed positions say after a crash. A batch found here at start is gathered again from exactly
// these ranges and sent under the same id, which the store keeps once. Layout:
// docs/formats/store.md. Plain data; failure: kCorrupt when the bytes are damaged.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/result.h"

namespace penstock::load {

struct Range {
  Partition partition;
  Offset from, to;  // [from, to)
};

/// Where a batch stands that the store refused as a whole: one table after the other, in pieces.
/// Every attempt is written down before it is made, so that after a crash the same piece is tried
/// again under the same id.
struct Split {
  bool active = false;
  uint32_t table = 0;  // kTables of them
  uint64_t at = 0;     // first row of the piece
  uint64_t count = 0;  // rows in the piece; 0: the whole table
};

struct Intent {
  Uuid epoch;  // of this state file: ids never repeat, even if the log begins anew
  uint64_t sequence = 0;
  std::vector<Range> ranges;  // of every partition; empty ranges only tell where it stands
  Split split;

  std::string batch_id() const;
  std::string encode() const;
  static Result<Intent> decode(std::string_view bytes);
};

}  // namespace penstock::load
