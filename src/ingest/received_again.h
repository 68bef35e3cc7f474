// ReceivedAgain: entries of quarantine that are received again together, in one append to a lane.
//
// A record names its entry, which can be left once: what is appended twice, because an answer was
// lost or a process died, comes back once. Plain data of one step; ingest loop only.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "event/lane.h"
#include "event/raw_record.h"
#include "event/slice.h"
#include "ledger/ledger.h"
#include "log/log.h"

namespace penstock::ingest {

class ReceivedAgain {
 public:
  /// `record`: what `raw` was decoded from. All of them are of one lane.
  void add(event::Lane lane, const event::Layout& layout, std::string_view record,
           const event::RawRecord& raw);
  bool empty() const { return ids_.empty(); }
  size_t bytes() const { return bytes_; }  // of the records
  event::Lane lane() const { return lane_; }
  /// Of the entries, in 20 bytes each, as they were added.
  const std::vector<std::string>& ids() const { return ids_; }
  /// For the log; the second time there are none.
  std::vector<log::Batch> take_batches();
  /// In the books, once the batches are `where` the log says.
  void note(ledger::Ledger& ledger, const std::vector<log::Appended>& where) const;

 private:
  event::Lane lane_ = event::Lane::kMain;
  size_t bytes_ = 0;
  std::vector<std::string> ids_;
  std::map<int32_t, log::Batch> batches_;  // by partition
  std::vector<uint32_t> counts_;           // of the batches that were taken
  std::map<ledger::LedgerKey, uint64_t> received_;
};

}  // namespace penstock::ingest
