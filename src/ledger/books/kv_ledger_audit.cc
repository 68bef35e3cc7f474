// Whether the books can be right: row by row, and their sum; see KvLedger.
#include <fmt/format.h>

#include <limits>

#include "event/timestamp.h"
#include "ledger/books/kv_ledger.h"

namespace penstock::ledger {
namespace {

constexpr int64_t kLastMinute = std::numeric_limits<int64_t>::max();

/// What only ever grows, so that a sum taken while events flow lies between two totals.
struct Growing {
  uint64_t received = 0, accepted = 0, stored = 0, deduplicated = 0, kept_out = 0;

  void add(const LedgerCounts& c) {
    received += c.received;
    accepted += c.accepted;
    stored += c.stored;
    deduplicated += c.deduplicated;
    kept_out += c.dropped_total() + c.quarantined + c.redriven;
  }
};

void find(LedgerAudit& out, std::string text) {
  if (out.wrong.size() < kAuditFindingsMax) out.wrong.push_back(std::move(text));
}

void check_row(LedgerAudit& out, std::string_view key_bytes, std::string_view value,
               std::map<ProjectId, Growing>* sums) {
  const LedgerKey key = parse_counts_key(key_bytes);
  LedgerCounts counts;
  out.rows++;
  const auto where = [&key] {
    return fmt::format("project {}, {}, lane {}", key.project.value,
                       event::format_rfc3339_ms(key.minute * 60'000), event::lane_name(key.lane));
  };
  if (!decode_counts(value, counts)) return find(out, where() + ": the counts cannot be read");
  if (counts.decided() > counts.received) {
    find(out,
         fmt::format("{}: {} received, {} decided", where(), counts.received, counts.decided()));
  }
  if (counts.stored > counts.accepted) {
    find(out, fmt::format("{}: {} accepted, {} stored", where(), counts.accepted, counts.stored));
  }
  if (sums != nullptr) (*sums)[key.project].add(counts);
}

void compare(LedgerAudit& out, ProjectId project, const Growing& before, const Growing& rows,
             const Growing& after) {
  const auto differ = [&](std::string_view what, uint64_t least, uint64_t n, uint64_t most) {
    if (least <= n && n <= most) return;
    find(out, fmt::format("project {}: the minutes' {} sum up to {}, the total is {}",
                          project.value, what, n, n < least ? least : most));
  };
  differ("received", before.received, rows.received, after.received);
  differ("accepted", before.accepted, rows.accepted, after.accepted);
  differ("stored", before.stored, rows.stored, after.stored);
  differ("deduplicated", before.deduplicated, rows.deduplicated, after.deduplicated);
  differ("dropped, quarantined and re-driven", before.kept_out, rows.kept_out, after.kept_out);
}

}  // namespace

Result<LedgerAudit> KvLedger::audit(std::optional<int64_t> from_minute) const {
  const auto written_totals = [this]() -> Result<std::map<ProjectId, Growing>> {
    std::map<ProjectId, Growing> out;
    bool bad = false;
    const std::string all(1, kTotalsPrefix);
    PENSTOCK_CHECK(
        kv_->scan(all, kv::prefix_end(all), [&](std::string_view key, std::string_view value) {
          LedgerCounts counts;
          bad = !decode_counts(value, counts);
          std::string as_counts(key);
          as_counts.append(9, '\0');
          out[parse_counts_key(as_counts).project].add(counts);
          return !bad;
        }));
    if (bad) return fail(Code::kCorrupt, "the ledger's totals of a project cannot be read");
    return out;
  };
  LedgerAudit out;
  PENSTOCK_TRY(auto before, written_totals());
  if (from_minute) {
    for (const auto& [project, total] : before) {
      PENSTOCK_CHECK(kv_->scan(counts_scan_from(project, kLastMinute),
                               counts_scan_from(project, *from_minute - 1),
                               [&out](std::string_view key, std::string_view value) {
                                 check_row(out, key, value, nullptr);
                                 return true;
                               }));
    }
    return out;
  }
  std::map<ProjectId, Growing> sums;
  const std::string all(1, kCountsPrefix);
  PENSTOCK_CHECK(kv_->scan(all, kv::prefix_end(all),
                           [&out, &sums](std::string_view key, std::string_view value) {
                             check_row(out, key, value, &sums);
                             return true;
                           }));
  PENSTOCK_TRY(auto after, written_totals());
  for (const auto& [project, total] : after) {
    compare(out, project, before[project], sums[project], total);
  }
  return out;
}

}  // namespace penstock::ledger
