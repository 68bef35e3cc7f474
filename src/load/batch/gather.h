// Gather: records of the processed topic turned into the rows of one batch.
//
// Keeps, beside the rows, the range of every partition and what the ledger has to be told. The rows
// are views into the log's batches, which are kept alive with them. Home loop only.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "ledger/ledger.h"
#include "load/batch/intent.h"
#include "log/log.h"
#include "store/event_store.h"

namespace penstock::load {

class Gather {
 public:
  /// `positions`: the next offset of every partition, by partition.
  explicit Gather(const std::vector<Offset>& positions);

  /// Only what lies in these ranges is taken (a batch of before a restart).
  void limit_to(const std::vector<Range>& ranges);
  /// Nothing of the other partitions is taken: they are other processes'.
  void leave_out_all_but(const std::vector<bool>& mine);
  /// Takes what it has not seen and is within its limits. kCorrupt: a record cannot be read; what
  /// came before it is taken.
  Status take(const log::ReadBatch& batch);

  bool empty() const { return records_ == 0; }
  size_t records() const { return records_; }
  size_t bytes() const { return bytes_; }
  /// Of the lanes of backfills and floods.
  size_t bulk_records() const { return bulk_records_; }
  /// With limits: everything in them is there.
  bool complete() const;
  /// What to fetch next.
  std::vector<log::Position> wanted() const;

  const std::vector<Range>& ranges() const { return ranges_; }
  std::vector<Offset> next() const;
  /// Moves a partition's position up: what lies below is gone from the log. Only while empty.
  void skip_to(Partition partition, Offset to);
  /// The rows under an id; call once, when nothing more is taken.
  std::shared_ptr<store::InsertBatch> seal(std::string id);
  std::vector<ledger::Ledger::Received> counts(Partition partition) const;

 private:
  Status add(std::string_view record, size_t partition);

  std::vector<Range> ranges_;   // [first taken, next) by partition
  std::vector<Offset> limits_;  // empty: none
  std::vector<std::map<ledger::LedgerKey, uint64_t>> counts_;
  // By partition, so that the order of a batch's rows is that of its ranges and not of the fetches.
  std::vector<store::InsertBatch> rows_;
  std::vector<std::shared_ptr<const void>> owners_;
  size_t records_ = 0, bytes_ = 0, bulk_records_ = 0;
};

}  // namespace penstock::load
