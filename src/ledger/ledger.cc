#include "ledger/ledger.h"

#include "ledger/books/kv_ledger.h"

namespace penstock::ledger {

uint64_t LedgerCounts::dropped_total() const {
  uint64_t n = 0;
  for (const auto& [reason, count] : dropped) n += count;
  return n;
}

void LedgerCounts::add(const LedgerCounts& other) {
  received += other.received;
  accepted += other.accepted;
  stored += other.stored;
  deduplicated += other.deduplicated;
  quarantined += other.quarantined;
  redriven += other.redriven;
  for (const auto& [reason, count] : other.dropped) dropped[reason] += count;
}

std::unique_ptr<Ledger> make_ledger(std::unique_ptr<kv::KeyValue> kv, LedgerOptions options) {
  return std::make_unique<KvLedger>(std::move(kv), options);
}

}  // namespace penstock::ledger
