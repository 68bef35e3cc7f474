#include "simulation/simulation.h"

#include <fmt/format.h>

#include <memory>
#include <set>

#include "base/hash.h"
#include "base/json_writer.h"
#include "base/probe.h"
#include "simulation/check/checks.h"
#include "simulation/world/life.h"
#include "simulation/world/trouble.h"

namespace penstock::simulation {
namespace {

constexpr uint64_t kPage = 4096;
constexpr int64_t kStopUsMax = 120'000'000;
constexpr int64_t kLastSendingUs = 3'000'000;
/// From the end of all trouble to rest. Backoffs end within seconds; a store that was silent for
/// long has at most what the run sent to take.
constexpr int64_t kSettleUsMax = 600'000'000;
constexpr int kStartsMax = 40;  // in a row that fail, before the disk is repaired by somebody

/// May a start or a step fail so while something is broken? What says that our own bytes or
/// invariants are wrong may not.
bool is_weather(Code code) {
  return code == Code::kUnavailable || code == Code::kExhausted || code == Code::kBusy ||
         code == Code::kMaybe || code == Code::kTimeout || code == Code::kCancelled;
}

bool io_fails(Machine& m, const runtime::SimOp& op) {
  using Kind = runtime::SimOp::Kind;
  if (op.kind == Kind::kSyncDirectory && m.names_stay_volatile) return true;
  if (op.kind == Kind::kSync || op.kind == Kind::kSyncDirectory) {
    return m.faults.strike(Fault::kSyncError);
  }
  const uint64_t first = op.at / kPage,
                 last = (op.at + std::max<uint64_t>(op.bytes, 1) - 1) / kPage;
  if (op.kind == Kind::kWrite) {
    if (m.faults.strike(Fault::kWriteError)) return true;
    // A disk gives a page that is written anew another place.
    m.bad_pages.erase(m.bad_pages.lower_bound({op.path, first}),
                      m.bad_pages.upper_bound({op.path, last}));
    return false;
  }
  if (m.faults.strike(Fault::kReadError)) return true;
  if (m.faults.strike(Fault::kBadSector)) {
    m.bad_pages.emplace(op.path, first + m.dice.below(last - first + 1));
  }
  if (m.faults.is_calm()) return false;
  const auto bad = m.bad_pages.lower_bound({op.path, first});
  return bad != m.bad_pages.end() && bad->first == op.path && bad->second <= last;
}

struct Ending {
  bool power_loss = false, killed = false;
};

/// The faults of a life's disk, and how it is to end.
Ending arm(Machine& m, const Options& options) {
  Ending ending;
  runtime::SimFaults faults;
  faults.capacity_bytes = m.disk->faults().capacity_bytes;
  faults.fails = [&m](const runtime::SimOp& op) { return io_fails(m, op); };
  ending.power_loss = m.faults.strike(Fault::kPowerLoss);
  ending.killed = !ending.power_loss && m.faults.strike(Fault::kKilled);
  if (ending.power_loss || ending.killed) {
    faults.kill_at_io = m.disk->io_count() + 1 + m.dice.below(m.tempo.kill_io_max);
  }
  if (m.lives == 0 && options.first_kill_io > 0) {
    ending.power_loss = true;
    faults.kill_at_io = options.first_kill_io;
  }
  m.disk->set_faults(faults);
  return ending;
}

/// The machine between two lives.
void end(Machine& m, const Ending& ending) {
  if (m.disk->killed()) m.report.kills++;
  m.disk->kill();
  m.names_stay_volatile = false;
  if (!ending.power_loss) {
    m.disk->restart();
    return;
  }
  auto how = runtime::SimCrash::kAny;
  if (m.faults.strike(Fault::kTornWrites)) {
    how = runtime::SimCrash::kTorn;
  } else if (m.faults.strike(Fault::kLostWrites)) {
    how = runtime::SimCrash::kLost;
  } else if (m.faults.strike(Fault::kReorderedWrites)) {
    how = runtime::SimCrash::kReordered;
  }
  m.disk->crash(how);
  for (const auto& kv :
       {m.ledger_kv, m.persons_kv, m.cookieless_kv, m.definitions_kv, m.deliver_kv}) {
    kv->crash(m.dice.next());
  }
}

/// Of the bad ones, that is: every start that fails is one.
void one_life(Machine& m, Clients& clients, const Options& options) {
  const Ending ending = arm(m, options);
  {
    Life life(m, clients);
    const Status started = life.start();
    if (started) {
      check_progress(life);
      Trouble trouble(life);
      trouble.begin();
      const int64_t us = m.dice.between(100'000, options.life_us_max);
      if (life.run(us) && m.dice.percent(50)) (void)life.stop(kStopUsMax);
    } else if (!life.dead() && !is_weather(started.error().code)) {
      m.broken("starts", fmt::format("life {}: {}: {}", m.lives, code_name(started.error().code),
                                     started.error().message));
    }
  }
  end(m, ending);
  if (m.dice.percent(30)) m.bad_pages.clear();
}

void check_all(Life& life, Decided& decided) {
  Machine& m = life.machine();
  decided = {};
  if (!check_outcomes(life, decided)) return;
  check_acknowledged(m, decided);
  check_store(m, decided);
  check_books(life, decided);
  check_recordings(life, decided);
  check_persons(life, decided);
  check_visitors(life, decided);
  check_strangers(life, decided);
  check_definitions(life);
  check_deliveries(life, decided);
  check_commands(life);
}

bool rest(Life& life, std::string_view when) {
  if (life.run_until([&] { return life.at_rest(); }, kSettleUsMax)) return true;
  life.machine().broken("liveness", fmt::format("{}: {}", when, life.unrest()));
  return false;
}

/// Repeating a merge changes nothing: as it was sent, and as a new event about the same ids.
void repeat_merges(Life& life, Clients& clients, const Decided& decided) {
  Machine& m = life.machine();
  const int64_t now_ms = life.runtime().clock().wall_ms();
  const std::string before = picture_of(life, life.persons());
  // One that was refused then may be taken now, under other settings.
  const auto accepted = [&](const Sent& sent) {
    const auto it = decided.events.find(uuid_of(sent.client, sent.number));
    return it != decided.events.end() && it->second.accepted == 1;
  };
  clients.also(clients.workload().merges_again(true, now_ms, accepted));
  if (!rest(life, "after merges were repeated")) return;
  if (picture_of(life, life.persons()) != before) {
    m.broken("merges", "a repeated event changed persons");
  }
  const auto owners = owners_of(life);
  const auto snapshot = life.catalog().snapshot();
  const auto together = [&](const Sent& sent) {
    const catalog::Project* project = snapshot->find_token(sent.token);
    if (project == nullptr) return false;
    const auto of = [&](const std::string& id) {
      const auto it = owners.find(fmt::format("{} {}", project->id.value, id));
      return it == owners.end() ? std::string() : it->second;
    };
    return !of(sent.distinct_id).empty() && of(sent.distinct_id) == of(sent.other_id);
  };
  clients.also(clients.workload().merges_again(false, now_ms, together));
  if (!rest(life, "after merges were made again")) return;
  const auto now = owners_of(life);
  for (const auto& [id, person] : owners) {
    const auto it = now.find(id);
    if (it != now.end() && it->second == person) continue;
    m.broken("merges",
             fmt::format("{}: {} became {}", id, person, it == now.end() ? "nobody" : it->second));
  }
}

void last_life(Machine& m, Clients& clients) {
  m.disk->set_faults({});
  m.faults.calm();
  Life life(m, clients);
  const int64_t healed_us = m.past_us;
  if (const Status started = life.start(); !started) {
    return m.broken("starts", "healed: " + started.error().message);
  }
  check_progress(life);
  if (!m.late_project && m.dice.percent(70)) (void)life.make_late_project();
  life.run(kLastSendingUs);
  clients.send(false);
  if (!rest(life, "healed")) return;
  m.report.settle_us = m.now_us(life.runtime().clock().mono_ns()) - healed_us - kLastSendingUs;
  Decided decided;
  check_all(life, decided);
  if (!m.report.good()) return;
  repeat_merges(life, clients, decided);
  check_all(life, decided);
  m.report.trace = m.report.trace * 31 + hash64(picture_of(life, life.persons()));
  if (!life.stop(kStopUsMax)) m.broken("liveness", "a healthy process does not stop");
}

}  // namespace

Report run(uint64_t seed, const Options& options) {
  const auto probes_before = probe_counts();
  Machine m(seed, options);
  Clients clients(m);
  const auto lives = static_cast<int64_t>(options.lives_max);
  for (int64_t left = m.dice.between(1, lives); left > 0 && m.report.good(); left--) {
    one_life(m, clients, options);
  }
  if (m.report.good()) last_life(m, clients);
  if (m.report.good()) check_damage(m, clients);
  Report& r = m.report;
  r.virtual_us = m.past_us;
  r.lives = m.lives;
  r.requests = m.promises.requests;
  r.acknowledged = m.promises.acknowledged;
  for (size_t i = 0; i < kFaults; i++) {
    const auto kind = static_cast<Fault>(i);
    if (m.faults.count_of(kind) > 0) {
      r.faults[std::string(fault_name(kind))] = m.faults.count_of(kind);
    }
  }
  const auto probes = probe_counts();
  for (size_t i = 0; i < probes.size(); i++) {
    if (probes[i].count > probes_before[i].count) r.probes.emplace_back(probes[i].name);
  }
  r.trace = r.trace * 31 + r.requests * 7 + r.rows;
  return std::move(r);
}

std::string to_json(const Report& r) {
  JsonWriter w;
  w.begin_object().field("seed", r.seed).field("trace", fmt::format("{:016x}", r.trace));
  w.field("virtual_us", r.virtual_us).field("steps", r.steps).field("lives", r.lives);
  w.field("kills", r.kills).field("requests", r.requests).field("acknowledged", r.acknowledged);
  w.field("rows", r.rows).field("settle_us", r.settle_us);
  w.key("faults").begin_object();
  for (const auto& [name, count] : r.faults) w.field(name, count);
  w.end_object().key("enabled").begin_array();
  for (const std::string& name : r.enabled) w.string(name);
  w.end_array().key("probes").begin_array();
  for (const std::string& name : r.probes) w.string(name);
  w.end_array().key("violations").begin_array();
  for (const Violation& v : r.violations) {
    w.begin_object().field("invariant", v.invariant).field("detail", v.detail).end_object();
  }
  return w.end_array().end_object().take();
}

}  // namespace penstock::simulation
