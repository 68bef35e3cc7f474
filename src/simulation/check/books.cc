// The ledger, the recordings, the commands: counted, named, reported.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <limits>

#include "event/lane.h"
#include "event/quarantine_change.h"
#include "recording/block.h"
#include "simulation/check/checks.h"

namespace penstock::simulation {
namespace {

constexpr size_t kRowsMax = 100'000;
constexpr std::string_view kOverQuota = "billing_limit_exceeded";

std::string text_of(const ledger::LedgerCounts& c) {
  // Whatever left quarantine was decided as quarantined, and `processed` says so.
  const auto given_up = c.dropped.find(std::string(event::kDiscarded));
  const uint64_t discarded = given_up == c.dropped.end() ? 0 : given_up->second;
  std::string out =
      fmt::format("received {} accepted {} stored {} deduplicated {} kept {}", c.received,
                  c.accepted, c.stored, c.deduplicated, c.quarantined + c.redriven + discarded);
  for (const auto& [reason, n] : c.dropped) {
    if (reason != event::kDiscarded) out += fmt::format(" {} {}", reason, n);
  }
  return out;
}

/// Numbers of the parts of recordings, by session.
using Parts = std::map<std::string, std::multiset<int64_t>>;

void read_block(Life& life, const store::MemoryStore::BlockRow& row,
                const recording::BlockPlace& place, Parts& parts) {
  Machine& m = life.machine();
  const auto bytes = life.objects().get(place.key, {place.from, place.size}, std::chrono::hours(1));
  if (!bytes) return m.broken("recordings", row.block_url + ": " + bytes.error().message);
  const auto text = recording::read_block(*bytes);
  if (!text) return m.broken("recordings", row.block_url + ": " + text.error().message);
  const auto lines = recording::split_lines(*text);
  if (!lines || lines->size() != row.event_count) {
    return m.broken("recordings", row.block_url + " has not the lines it should have");
  }
  for (const recording::Line& line : *lines) {
    const size_t at = line.text.find("\"n\":");
    parts[row.session_id].insert(std::atoll(line.text.data() + at + 4));
  }
}

}  // namespace

void check_books(Life& life, const Decided& decided) {
  Machine& m = life.machine();
  const ledger::LedgerBalance balance = life.ledger().balance(life.log());
  if (!balance.balanced) m.broken("ledger", balance.detail);
  std::map<ledger::LedgerKey, ledger::LedgerCounts> counted;
  uint64_t left_quarantine = 0, discarded = 0, over_quota = 0;
  for (int64_t project = 0; project <= 3; project++) {
    const auto rows = life.ledger().rows(ProjectId{project}, -10'000'000,
                                         std::numeric_limits<int32_t>::max(), kRowsMax);
    if (!rows) return m.broken("ledger", rows.error().message);
    for (const ledger::LedgerRow& row : *rows) {
      counted[row.key] = row.counts;
      left_quarantine += row.counts.redriven;
      for (const auto& [reason, n] : row.counts.dropped) {
        if (reason == event::kDiscarded) discarded += n;
        if (reason == kOverQuota) over_quota += n;
      }
    }
  }
  if (left_quarantine > decided.redriven) {
    m.broken("ledger", fmt::format("{} left quarantine, {} were received again", left_quarantine,
                                   decided.redriven));
  }
  if (discarded > decided.discarded) {
    m.broken("ledger",
             fmt::format("{} were given up, {} were to be", discarded, decided.discarded));
  }
  if (over_quota > m.refused_for_quota + life.refused_for_quota()) {
    m.broken("ledger", fmt::format("{} were over their quota, {} were counted so", over_quota,
                                   m.refused_for_quota + life.refused_for_quota()));
  }
  for (const auto& [key, expected] : decided.counts) {
    ledger::LedgerCounts wanted = expected;
    wanted.stored = wanted.accepted;
    const std::string have = text_of(counted[key]), want = text_of(wanted);
    if (have != want) {
      m.broken("ledger",
               fmt::format("project {} minute {} lane {}: {}, should be {}", key.project.value,
                           key.minute, event::lane_name(key.lane), have, want));
    }
    counted.erase(key);
  }
  for (const auto& [key, counts] : counted) {
    m.broken("ledger", fmt::format("project {} minute {}: {}, and nothing was received",
                                   key.project.value, key.minute, text_of(counts)));
  }
  if (!life.ledger().healthy()) m.broken("ledger", "it does not call itself healthy");
}

void check_recordings(Life& life, const Decided& decided) {
  Machine& m = life.machine();
  Parts parts;
  std::set<std::string> named, there;
  for (const auto& row : m.store.rows.replay_blocks()) {
    const auto place = recording::parse_block_url(row.block_url);
    if (!place) {
      m.broken("recordings", row.block_url + " is no place");
      continue;
    }
    named.insert(place->key);
    read_block(life, row, *place, parts);
  }
  const bool erased = !m.store.erased_blocks.empty();
  for (const std::string& url : m.store.erased_blocks) {
    if (const auto place = recording::parse_block_url(url)) named.insert(place->key);
  }
  for (const auto& [session, numbers] : decided.recorded) {
    const auto& lines = parts[session];
    if (erased ? std::ranges::includes(numbers, lines) : std::ranges::equal(numbers, lines)) {
      continue;
    }
    m.broken("recordings", fmt::format("{}: {} parts accepted, {} lines in blocks", session,
                                       numbers.size(), lines.size()));
  }
  const auto listed = life.objects().list("", "", 10'000, std::chrono::hours(1));
  if (!listed) return m.broken("recordings", listed.error().message);
  for (const auto& object : *listed) there.insert(object.key);
  // One that was written and never named goes at the next start, or, if the object store does not
  // let it then, with its age.
  const uint64_t stuck = m.faults.count_of(Fault::kObjectsAway) +
                         m.faults.count_of(Fault::kReadError) +
                         m.faults.count_of(Fault::kBadSector);
  if (!std::ranges::includes(there, named) || there.size() > named.size() + stuck) {
    m.broken("recordings",
             fmt::format("{} objects lie there, {} are named", there.size(), named.size()));
  }
}

void check_commands(Life& life) {
  Machine& m = life.machine();
  const auto processed = life.read(event::kTopicProcessed);
  if (!processed) return m.broken("readable", processed.error().message);
  std::map<Uuid, uint64_t> reported;
  for (const auto& partition : *processed) {
    for (const std::string& bytes : partition) {
      const auto record = event::decode_processed(bytes);
      const auto* report = record ? std::get_if<event::PersonCommandReport>(&*record) : nullptr;
      if (report != nullptr && report->state != "running") reported[report->id]++;
    }
  }
  for (const auto& [id, kind] : m.promises.commands) {
    if (reported[id] == 1) continue;
    m.broken("commands", fmt::format("{} {} has {} reports", kind, id.text(), reported[id]));
  }
}

}  // namespace penstock::simulation
