#include "ingest/received_again.h"

#include <utility>

namespace penstock::ingest {

void ReceivedAgain::add(event::Lane lane, const event::Layout& layout, std::string_view record,
                        const event::RawRecord& raw) {
  lane_ = lane;
  bytes_ += record.size();
  std::string key;
  event::partition_key(raw, lane, key);
  const int32_t partition = layout.in_lane(lane, raw.token, key);
  log::Batch& to = batches_[partition];
  to.partition = {partition};
  to.count++;
  log::encode_record(to.data, record);
  ids_.emplace_back(raw.quarantine_entry);
  received_[{raw.project, ledger::minute_of(raw.now_ms), lane}]++;
}

std::vector<log::Batch> ReceivedAgain::take_batches() {
  std::vector<log::Batch> out;
  for (auto& [partition, batch] : std::exchange(batches_, {})) {
    counts_.push_back(batch.count);
    out.push_back(std::move(batch));
  }
  return out;
}

void ReceivedAgain::note(ledger::Ledger& ledger, const std::vector<log::Appended>& where) const {
  std::vector<ledger::Ledger::Received> received;
  for (const auto& [key, n] : received_) received.push_back({key, n});
  ledger.received(lane_, where, counts_, received);
}

}  // namespace penstock::ingest
