#include "main/prove/report.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/json_writer.h"
#include "main/prove/words.h"

namespace penstock::cli::prove {
namespace {

constexpr double kGiB = 1 << 30;

void write_counts(JsonWriter& w, std::string_view name,
                  const std::map<std::string, uint64_t>& counts) {
  w.key(name).begin_object();
  for (const auto& [key, count] : counts) w.field(key, count);
  w.end_object();
}

uint64_t acknowledged(const CrashReport& all) {
  uint64_t events = 0;
  for (const auto& [kind, count] : all.acknowledged) events += count;
  return events;
}

}  // namespace

bool Proof::holds() const {
  return simulator.violations.empty() &&
         std::ranges::all_of(loops, [](const auto& r) { return r.violations.empty(); });
}

CrashReport Proof::sum() const {
  CrashReport out;
  out.violations = simulator.violations;
  for (const CrashReport& r : loops) {
    for (size_t i = 0; i < kBlows; i++) out.blows[i] += r.blows[i];
    for (size_t i = 0; i < kChecks; i++) {
      out.checks[i].looked_at += r.checks[i].looked_at;
      out.checks[i].wrong += r.checks[i].wrong;
    }
    for (const auto& [kind, count] : r.acknowledged) out.acknowledged[kind] += count;
    out.kills += r.kills;
    out.audits += r.audits;
    out.repeats += r.repeats;
    out.unanswered += r.unanswered;
    out.refused += r.refused;
    out.stored += r.stored;
    out.deduplicated += r.deduplicated;
    out.quarantined += r.quarantined;
    out.redriven += r.redriven;
    out.lost += r.lost;
    out.doubled += r.doubled;
    out.longest_start_ms = std::max(out.longest_start_ms, r.longest_start_ms);
    out.longest_rest_ms = std::max(out.longest_rest_ms, r.longest_rest_ms);
    for (const std::string& v : r.violations) {
      out.violations.push_back(fmt::format("seed {} ({}): {}", r.seed, r.directory, v));
    }
  }
  return out;
}

std::string verdict(const Proof& p) {
  const CrashReport all = p.sum();
  if (!p.holds()) {
    std::string out = "No: a promise was broken.";
    if (!p.loops.empty()) {
      out += fmt::format(" Penstock was killed {} times; {} events were lost and {} stored twice.",
                         grouped(all.kills), grouped(all.lost), grouped(all.doubled));
    }
    return out + " What was found stands below, with how to repeat it.";
  }
  std::string out = "Yes.";
  if (all.kills > 0) {
    out += fmt::format(
        " Penstock was killed {} times on this machine while events came in. Of the {} events that "
        "it had confirmed none was lost and none was stored twice, and its bookkeeping agrees.",
        grouped(all.kills), grouped(acknowledged(all)));
  }
  if (p.simulator.seeds > 0) {
    out += fmt::format(
        " In {} simulated lives with failing disks, networks and clocks every promise was kept.",
        grouped(p.simulator.lives));
  }
  return out;
}

Figures simulator_figures(const SimulatorReport& s) {
  return {{"histories, each with troubles of its own", grouped(s.seeds)},
          {"lives of a process in them", grouped(s.lives)},
          {"of these ended by a kill or a power cut", grouped(s.kills)},
          {"time that passed in them", fmt::format("{:.1f} hours", s.virtual_hours)},
          {"time that it took here", fmt::format("{:.0f} s", s.seconds)},
          {"events confirmed in them", grouped(s.acknowledged)},
          {"rows stored in them", grouped(s.rows)}};
}

Figures figures(const Proof& p) {
  const CrashReport all = p.sum();
  return {
      {"stored in all, with parts of recordings", grouped(all.stored)},
      {"repeats that were recognised as such", grouped(all.deduplicated)},
      {"set aside at the end, with the reason", grouped(all.quarantined)},
      {"tries without an answer: it was dead", grouped(all.unanswered)},
      {"tries answered with \"try again later\"", grouped(all.refused)},
      {"times that everything was looked up", grouped(all.audits)},
      {"longest start after a kill", fmt::format("{:.2f} s", all.longest_start_ms / 1000)},
      {"longest until all was worked off", fmt::format("{:.1f} s", all.longest_rest_ms / 1000)},
      {"file system of this directory", p.disk.file_system},
      {"until the disk confirms a write", fmt::format("{:.2f} ms, the slowest of a hundred {:.2f}",
                                                      p.disk.sync_ms_p50, p.disk.sync_ms_p99)},
      {"free", fmt::format("{:.1f} GiB", static_cast<double>(p.disk.free_bytes) / kGiB)}};
}

std::string answer(const Checked& checked) {
  if (checked.wrong > 0) return fmt::format("NO: {}", grouped(checked.wrong));
  return checked.looked_at > 0 ? "yes" : "not looked at";
}

std::string text_report(const Proof& proof) {
  const CrashReport all = proof.sum();
  std::string out =
      "Does Penstock keep what it confirms, on this machine?\n" + verdict(proof) + "\n";
  const auto line = [&out](std::string_view label, std::string_view value) {
    out += fmt::format("  {:<66} {:>12}\n", label, value);
  };
  for (const std::string& v : all.violations) out += "  BROKEN  " + v + "\n";
  if (!proof.loops.empty()) {
    out += "\nWhat was done to it\n";
    for (size_t i = 0; i < kBlows; i++) {
      line(words_of(static_cast<Blow>(i)).words, grouped(all.blows[i]));
    }
    out += "\nWhat was sent meanwhile, and confirmed by it\n";
    for (size_t i = 0; i < kKinds; i++) {
      const auto kind = static_cast<Kind>(i);
      const auto found = all.acknowledged.find(std::string(kind_name(kind)));
      line(words_of(kind), grouped(found == all.acknowledged.end() ? 0 : found->second));
    }
    out += "\nWhat was asked afterwards\n";
    for (size_t i = 0; i < kChecks; i++) {
      const Question asked = words_of(static_cast<Check>(i));
      out += fmt::format("  {:<78} {:>9} {:<9} {}\n", asked.words, grouped(all.checks[i].looked_at),
                         asked.looked_at, answer(all.checks[i]));
    }
  }
  if (proof.simulator.seeds > 0) {
    out += "\nWhat was simulated\n";
    for (const auto& [name, value] : simulator_figures(proof.simulator)) line(name, value);
  }
  if (!proof.loops.empty()) {
    out += "\nFigures\n";
    for (const auto& [name, value] : figures(proof)) line(name, value);
  }
  if (!proof.disk.warning.empty()) out += "\nNote: " + proof.disk.warning + "\n";
  return out;
}

std::string json_report(const Proof& proof) {
  const CrashReport all = proof.sum();
  JsonWriter w;
  w.begin_object().field("holds", proof.holds()).field("version", proof.version);
  w.field("began_at", proof.began_at).key("seconds").real(proof.seconds);
  w.field("kills", all.kills).field("audits", all.audits).field("lost", all.lost);
  w.field("doubled", all.doubled).field("stored", all.stored);
  w.field("deduplicated", all.deduplicated).field("quarantined", all.quarantined);
  w.field("redriven", all.redriven).field("repeats", all.repeats);
  w.field("unanswered", all.unanswered).field("refused", all.refused);
  w.key("longest_start_ms").real(all.longest_start_ms);
  w.key("longest_rest_ms").real(all.longest_rest_ms);
  w.key("simulator").begin_object().field("first_seed", proof.simulator.first_seed);
  w.field("seeds", proof.simulator.seeds).field("lives", proof.simulator.lives);
  w.field("kills", proof.simulator.kills).key("hours").real(proof.simulator.virtual_hours);
  w.key("seconds").real(proof.simulator.seconds);
  write_counts(w, "faults", proof.simulator.faults);
  w.end_object().key("deaths").begin_object();
  for (size_t i = 0; i < kBlows; i++) {
    const auto blow = static_cast<Blow>(i);
    if (is_kill(blow)) w.field(words_of(blow).name, all.blows[i]);
  }
  w.end_object();
  for (const Blow blow : {Blow::kStoodStill, Blow::kAskedToStop}) {
    w.field(words_of(blow).name, all.blows[static_cast<size_t>(blow)]);
  }
  write_counts(w, "acknowledged", all.acknowledged);
  w.key("checks").begin_object();
  for (size_t i = 0; i < kChecks; i++) {
    w.key(words_of(static_cast<Check>(i)).name).begin_object();
    w.field("looked_at", all.checks[i].looked_at).field("wrong", all.checks[i].wrong).end_object();
  }
  w.end_object().key("seeds").begin_array();
  for (const CrashReport& r : proof.loops) w.number(r.seed);
  w.end_array().key("violations").begin_array();
  for (const std::string& v : all.violations) w.string(v);
  w.end_array().key("disk").begin_object().field("file_system", proof.disk.file_system);
  w.field("free_bytes", proof.disk.free_bytes).key("sync_ms_p50").real(proof.disk.sync_ms_p50);
  w.key("sync_ms_p99").real(proof.disk.sync_ms_p99).field("warning", proof.disk.warning);
  w.end_object().end_object();
  return w.take();
}

}  // namespace penstock::cli::prove
