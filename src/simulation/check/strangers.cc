// Strangers: events of a key that is nobody's stay in quarantine with their bytes, are counted
// under no project, and go on when there is one.
#include <fmt/format.h>

#include <algorithm>

#include "event/raw_record.h"
#include "simulation/check/checks.h"

namespace penstock::simulation {
namespace {

constexpr size_t kEntriesMax = 100'000;
constexpr int64_t kMinutesMax = 1'000'000'000;
constexpr std::string_view kUnknownToken = "unknown_token", kFull = "quarantine_full";

/// By uuid; of a bad client's one uuid several.
using Entries = std::multimap<Uuid, ledger::QuarantineEntry>;

Result<Entries> entries_of(Life& life, std::string_view token) {
  Entries out;
  std::string after;
  for (;;) {
    PENSTOCK_TRY(auto page, life.ledger().quarantined(token, after, kEntriesMax));
    if (page.empty()) return out;
    after = page.back().id;
    for (ledger::QuarantineEntry& e : page) {
      const Uuid uuid = e.uuid;
      out.emplace(uuid, std::move(e));
    }
  }
}

/// An event of a key that no project ever has.
void hold(Machine& m, const Uuid& uuid, const Promise& promise, const Decided& decided,
          const Entries& entries) {
  const auto it = decided.events.find(uuid);
  if (it == decided.events.end()) return;  // never acknowledged, or told of elsewhere
  const Decided::Event& e = it->second;
  if (e.accepted > 0) m.broken("strangers", uuid.text() + " is nobody's and was accepted");
  for (const std::string& reason : e.reasons) {
    if (reason == kUnknownToken || reason == kFull || reason == promise.dropped) continue;
    m.broken("strangers",
             fmt::format("{} of a key without a project went for {}", uuid.text(), reason));
  }
  // What people gave up or sent again left it; they do not say which of these it was.
  const bool touched = decided.discarded > 0 || decided.redriven > 0;
  if (!e.reasons.contains(std::string(kUnknownToken)) || touched) return;
  const auto found = entries.find(uuid);
  if (found == entries.end()) {
    return m.broken("strangers", uuid.text() + " is said to be in quarantine and is not there");
  }
  const auto raw = event::decode_raw(found->second.raw);
  if (!raw || raw->uuid != uuid || raw->token != kTokenUnknown) {
    m.broken("strangers", uuid.text() + " is in quarantine without its bytes");
  }
}

}  // namespace

void check_strangers(Life& life, const Decided& decided) {
  Machine& m = life.machine();
  const auto entries = entries_of(life, kTokenUnknown), all = entries_of(life, "");
  if (!entries || !all) return m.broken("strangers", "quarantine cannot be read");
  for (const auto& [uuid, promise] : m.promises.events) {
    const auto of = [&](const char* token) {
      return std::ranges::all_of(promise.contents, [&](const Sent& s) { return s.token == token; });
    };
    if (of(kTokenUnknown)) hold(m, uuid, promise, decided, *entries);
    // Its project was made meanwhile: what waited for it went on.
    const auto it = decided.events.find(uuid);
    if (!m.late_project || !of(kTokenLate) || it == decided.events.end()) continue;
    const bool only_waited =
        it->second.reasons == std::set<std::string>{std::string(kUnknownToken)};
    if (it->second.accepted == 0 && it->second.duplicates == 0 && only_waited &&
        decided.discarded == 0) {
      m.broken("strangers", uuid.text() + " still waits for a project that was made");
    }
  }
  uint64_t counted = 0;
  for (int64_t project = 0; project <= 3; project++) {
    const auto rows = life.ledger().rows({project}, -kMinutesMax, kMinutesMax, kEntriesMax);
    if (!rows) return m.broken("ledger", rows.error().message);
    for (const ledger::LedgerRow& row : *rows) counted += row.counts.quarantined;
  }
  const ledger::QuarantineUsage usage = life.ledger().quarantine_usage();
  if (usage.entries != all->size() || counted != all->size()) {
    m.broken("strangers", fmt::format("{} entries lie in quarantine, {} are counted there, the "
                                      "ledger has {}",
                                      all->size(), usage.entries, counted));
  }
}

}  // namespace penstock::simulation
