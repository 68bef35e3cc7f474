// QuarantineFilter: which events in quarantine are meant, by operators, the API and the log.
//
// As JSON: `{"ids":[…],"token":…,"reason":…,"stage":…,"event":…,"distinct_id":…,"text":…,
// "from":ms,"to":ms}`, all optional, all of those given must hold. `text` is looked for in the
// event's text and in its uuid. Plain values.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "base/json_writer.h"
#include "base/result.h"
#include "event/json_fields.h"
#include "event/raw_record.h"
#include "ledger/ledger.h"

namespace penstock::ledger {

struct QuarantineFilter {
  std::vector<std::string> ids{};  // QuarantineEntry::id; none: any
  std::string token{}, reason{}, stage{}, event{}, distinct_id{}, text{};
  int64_t from_ms = 0;  // of receipt: [from, to)
  int64_t to_ms = std::numeric_limits<int64_t>::max();

  static constexpr size_t kIdsMax = 1000;

  static Result<QuarantineFilter> parse(const event::JsonFields& fields);
  void write(JsonWriter& w) const;
  bool matches(const QuarantineEntry& entry) const;
};

/// What was in quarantine when a re-drive began: it means no others, or what comes back would be
/// driven round and round. Exact, by the positions in `processed` that it noted; one of an older
/// version noted none and goes by the clock.
inline constexpr std::string_view kRedrivePositions = "positions";
class RedriveBegan {
 public:
  explicit RedriveBegan(const RedriveJob& job);
  bool had(const QuarantineEntry& entry) const;

 private:
  int64_t ms_;
  std::vector<int64_t> next_;  // by partition: the first outcome that came later
};

/// One piece of a listing: entries that match, and where to go on.
struct QuarantinePage {
  std::vector<QuarantineEntry> entries;
  std::string next;  // id to go on after; empty: this was all
};
/// An id to go on after, before those of all entries that were received at `received_ms` or later.
std::string quarantine_id_before(int64_t received_ms);
/// At most `entries_max` and about 16 MiB of them; looks at `scanned_max` entries at most, so
/// `next` may be set although few were found. Blocks as long as that takes: for the pool, or with
/// small numbers.
Result<QuarantinePage> find_quarantined(const Ledger& ledger, const QuarantineFilter& filter,
                                        std::string_view after, size_t entries_max,
                                        size_t scanned_max);

/// The event as it will be when it is driven again: edited if it was, for whoever owns the token
/// now (0: nobody), with the id of its entry. kInvalid: it cannot be read at all.
Result<std::string> redriven_record(const QuarantineEntry& entry, ProjectId project);
/// The token that decides whose it is then.
std::string redriven_token(const QuarantineEntry& entry);

}  // namespace penstock::ledger
