// Damage: what a sound disk never does to the log of a process that has ended.
//
// A bit flips, a page is written over another, a synced page was never written. The next start, or
// whoever reads, must name the file, or see exactly what was there; after `penstock log repair` the
// rest must be there under its old offsets. Of the newest block nobody can tell a forgotten write
// from one that never finished: then the product as a whole must say that something is missing. The
// ledger says so of events; a warning that capture had refused a request is in no books.
#include <fmt/format.h>

#include <algorithm>

#include "event/lane.h"
#include "event/processed_record.h"
#include "log/embedded_log.h"
#include "log/scan.h"
#include "simulation/check/checks.h"

namespace penstock::simulation {
namespace {

constexpr uint64_t kPage = 4096;
constexpr uint64_t kHeaderBytes = 64U << 10;

/// All records of the topics that may be damaged, by topic, partition and offset.
using Contents = std::map<std::string, std::map<std::pair<int32_t, int64_t>, std::string>>;

std::vector<std::string> topics() {
  std::vector<std::string> out{std::string(event::kTopicProcessed)};
  for (const event::Lane lane : event::kLanes) out.emplace_back(event::lane_topic(lane));
  return out;
}

/// A start of the log alone, and everything it holds.
Result<Contents> read_all(Machine& m) {
  runtime::SimRuntime runtime(m.dice.next(), m.disk);
  runtime::Loop& loop = runtime.make_loop();
  const auto log = log::open_embedded_log(runtime, loop, log_options_of(m.tempo));
  PENSTOCK_CHECK(log->start(topics_of(m)));
  Result<Contents> out = Contents{};
  for (const std::string& topic : topics()) {
    auto& into = (*out)[topic];
    const auto bounds = log->bounds(topic);
    if (!bounds) return std::unexpected(bounds.error());
    std::vector<log::ScanRange> ranges;
    for (const auto& b : *bounds) ranges.push_back({b.partition, b.start, b.end});
    bool finished = false;
    Status status;
    log::scan(
        *log, loop, topic, std::move(ranges),
        [&](const log::ScanSlice& slice) -> Status {
          int64_t at = slice.base.value;
          for (std::string_view r : slice.records) into[{slice.partition.value, at++}] = r;
          return {};
        },
        [&](Status s) {
          status = std::move(s);
          finished = true;
        });
    const auto end = runtime.run_until([&] { return finished; });
    if (end != runtime::SimEnd::kDone) status = fail(Code::kBug, "the log does not answer");
    if (!status) {
      out = std::unexpected(status.error());
      break;
    }
  }
  log->stop();
  return out;
}

struct Target {
  std::string topic, path;
  uint64_t used = 0, blocks = 0;
};

std::vector<Target> targets(Machine& m) {
  runtime::SimRuntime runtime(m.dice.next(), m.disk);
  std::vector<Target> out;
  for (const std::string& topic : topics()) {
    const auto reports = log::inspect_topic(runtime, kLogDirectory, topic);
    if (!reports) continue;
    for (const log::SegmentReport& r : *reports) {
      const std::string path = r.file.find('/') == std::string::npos
                                   ? fmt::format("{}/{}/{}", kLogDirectory, topic, r.file)
                                   : r.file;
      if (r.bytes_used > kHeaderBytes) out.push_back({topic, path, r.bytes_used, r.blocks});
    }
  }
  return out;
}

Result<std::string> page_of(Machine& m, const Target& from) {
  PENSTOCK_TRY(const auto file, m.disk->open(from.path, {}));
  std::string page(kPage, '\0');
  const uint64_t at = m.dice.below(from.used / kPage) * kPage;
  PENSTOCK_TRY(const size_t got, file->pread(page, at));
  page.resize(got);
  return page;
}

Status hurt(Machine& m, Fault kind, const std::vector<Target>& all, const Target& target,
            std::string& what) {
  const uint64_t at = m.dice.below(target.used);
  const uint64_t page = at / kPage * kPage;
  what = fmt::format("{} at byte {} of {}", fault_name(kind), kind == Fault::kBitRot ? at : page,
                     target.path);
  m.faults.count(kind);
  if (kind == Fault::kBitRot) return m.disk->corrupt(target.path, at);
  if (kind == Fault::kForgottenWrite) {
    return m.disk->overwrite(target.path, page, std::string(kPage, '\0'));
  }
  PENSTOCK_TRY(const std::string other, page_of(m, all[m.dice.below(all.size())]));
  return m.disk->overwrite(target.path, page, other);
}

/// Records of `now` that `before` does not have so; how many of `before` are missing.
std::string differences(const Contents& before, const Contents& now, uint64_t& missing) {
  missing = 0;
  for (const auto& [topic, records] : before) {
    const auto found = now.find(topic);
    for (const auto& [place, record] : records) {
      const bool there = found != now.end() && found->second.contains(place);
      if (!there) {
        missing++;
      } else if (found->second.at(place) != record) {
        return fmt::format("{} {} offset {} is another record", topic, place.first, place.second);
      }
    }
  }
  for (const auto& [topic, records] : now) {
    for (const auto& [place, record] : records) {
      const auto found = before.find(topic);
      if (found == before.end() || !found->second.contains(place)) {
        return fmt::format("{} {} offset {} was never written", topic, place.first, place.second);
      }
    }
  }
  return "";
}

/// Does nothing but warnings about refused requests lack?
bool only_warnings_lack(const Contents& before, const Contents& now) {
  for (const auto& [topic, records] : before) {
    const auto found = now.find(topic);
    for (const auto& [place, record] : records) {
      if (found != now.end() && found->second.contains(place)) continue;
      if (topic != event::kTopicProcessed) return false;
      const auto decoded = event::decode_processed(record);
      const auto* warning = decoded ? std::get_if<event::IngestionWarning>(&*decoded) : nullptr;
      if (warning == nullptr || warning->source != "capture") return false;
    }
  }
  return true;
}

/// Does the product say that something is missing?
bool is_told(Machine& m, Clients& clients) {
  Life life(m, clients);
  const Status started = life.start();
  if (!started) return started.error().code == Code::kCorrupt;
  return !life.ledger().balance(life.log()).balanced;
}

void hold(Machine& m, Clients& clients, const Contents& before, const Target& target,
          const std::string& what) {
  uint64_t missing = 0;
  auto now = read_all(m);
  if (now) {
    if (const std::string wrong = differences(before, *now, missing); !wrong.empty()) {
      return m.broken("damage", what + ", and it is served: " + wrong);
    }
    // A start cuts the newest block at the most, the one that may never have been finished.
    const std::vector<Target> left = targets(m);
    const auto same = std::ranges::find(left, target.path, &Target::path);
    const uint64_t blocks = same == left.end() ? 0 : same->blocks;
    if (missing > 0 && blocks + 1 < target.blocks) {
      return m.broken("damage", fmt::format("{}: {} of {} blocks are left and nobody says so", what,
                                            blocks, target.blocks));
    }
    if (missing > 0 && !only_warnings_lack(before, *now) && !is_told(m, clients)) {
      m.broken("damage", fmt::format("{}: {} records are gone and nobody says so", what, missing));
    }
    return;
  }
  if (now.error().code != Code::kCorrupt ||
      now.error().message.find(target.path) == std::string::npos) {
    return m.broken("damage", fmt::format("{} is told as: {}", what, now.error().message));
  }
  runtime::SimRuntime runtime(m.dice.next(), m.disk);
  const auto repaired = log::repair_topic(runtime, kLogDirectory, target.topic);
  if (!repaired) {
    return m.broken("damage", fmt::format("{}: not repaired: {}", what, repaired.error().message));
  }
  now = read_all(m);
  if (!now) {
    return m.broken("damage", fmt::format("{}: after the repair: {}", what, now.error().message));
  }
  if (const std::string wrong = differences(before, *now, missing); !wrong.empty()) {
    return m.broken("damage", what + ", repaired: " + wrong);
  }
  // What followed in the same partition shows how many; the last ones of a partition, nothing does.
  if (missing < repaired->records_lost || (missing > 0 && repaired->actions.empty())) {
    m.broken("damage", fmt::format("{}: {} records are lost, the repair says {}", what, missing,
                                   repaired->records_lost));
  }
}

}  // namespace

void check_damage(Machine& m, Clients& clients) {
  std::vector<Fault> kinds;
  for (const Fault kind : {Fault::kBitRot, Fault::kMisdirectedWrite, Fault::kForgottenWrite}) {
    if (m.faults.enabled(kind)) kinds.push_back(kind);
  }
  if (kinds.empty()) return;
  m.disk->set_faults({});
  const auto before = read_all(m);
  if (!before) return m.broken("damage", "before any: " + before.error().message);
  const std::vector<Target> all = targets(m);
  if (all.empty()) return;
  std::string what;
  const Target target = all[m.dice.below(all.size())];
  const Fault kind = kinds[m.dice.below(kinds.size())];
  if (const Status s = hurt(m, kind, all, target, what); !s) {
    return m.broken("damage", what + ": " + s.error().message);
  }
  hold(m, clients, *before, target, what);
}

}  // namespace penstock::simulation
