#include "main/prove/report.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/json_writer.h"

namespace penstock::cli::prove {
namespace {

constexpr double kGiB = 1 << 30;

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '&': out += "&amp;"; break;
      default: out += c;
    }
  }
  return out;
}

/// 1234567 -> 1,234,567.
std::string grouped(uint64_t n) {
  std::string out = std::to_string(n);
  for (size_t i = out.size(); i > 3; i -= 3) out.insert(i - 3, 1, ',');
  return out;
}

std::string verdict(const Proof& p) {
  const CrashReport all = p.sum();
  uint64_t events = 0;
  for (const auto& [kind, count] : all.acknowledged) events += count;
  if (p.holds()) {
    if (all.kills == 0) {
      return fmt::format("In {} simulated lives every promise was kept.",
                         grouped(p.simulator.lives));
    }
    return fmt::format(
        "Penstock was killed {} times on this machine. Of {} acknowledged events none was lost, "
        "none was stored twice, and the books agree.",
        grouped(all.kills), grouped(events));
  }
  return fmt::format("A promise was broken: {} lost, {} stored twice, {} findings below.", all.lost,
                     all.doubled, all.violations.size());
}

std::vector<std::pair<std::string, std::string>> simulator_figures(const SimulatorReport& s) {
  return {{"seeds", fmt::format("{} (from {})", grouped(s.seeds), s.first_seed)},
          {"lives of a process", grouped(s.lives)},
          {"of them killed", grouped(s.kills)},
          {"simulated time",
           fmt::format("{:.1f} hours in {:.0f} s ({:.0f}x)", s.virtual_hours, s.seconds, s.pace())},
          {"acknowledged events", grouped(s.acknowledged)},
          {"rows", grouped(s.rows)}};
}

std::vector<std::pair<std::string, std::string>> figures(const Proof& p) {
  const CrashReport all = p.sum();
  return {
      {"stored", grouped(all.stored)},
      {"repeats that were recognised", grouped(all.deduplicated)},
      {"waiting in quarantine", grouped(all.quarantined)},
      {"left quarantine again", grouped(all.redriven)},
      {"tries without an answer", grouped(all.unanswered)},
      {"tries answered with 503", grouped(all.refused)},
      {"complete comparisons", grouped(all.audits)},
      {"longest start after a kill", fmt::format("{:.2f} s", all.longest_start_ms / 1000)},
      {"longest time until all was stored", fmt::format("{:.1f} s", all.longest_rest_ms / 1000)},
      {"disk", fmt::format("{}, a sync takes {:.2f} ms (p99 {:.2f})", p.disk.file_system,
                           p.disk.sync_ms_p50, p.disk.sync_ms_p99)},
      {"free", fmt::format("{:.1f} GiB", static_cast<double>(p.disk.free_bytes) / kGiB)}};
}

std::string rows(const std::map<std::string, uint64_t>& counts) {
  uint64_t most = 1;
  for (const auto& [name, count] : counts) most = std::max(most, count);
  std::string out;
  for (const auto& [name, count] : counts) {
    out += fmt::format(
        "<tr><th>{}</th><td class=n>{}</td><td class=bar><i style=\"width:{}%\"></i></td></tr>\n",
        escaped(name), grouped(count), count * 100 / most);
  }
  return out;
}

constexpr std::string_view kStyle = R"(
body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:3rem auto;padding:0 1rem}
body{color:#1b1f24}
h1{font-size:1.6rem;margin:0}h2{font-size:1.1rem;margin:2.2rem 0 .4rem}
.sub{color:#5c6670;margin:.2rem 0 1.6rem}
.verdict{border-left:6px solid #1a7f4b;background:#eef8f2;padding:1rem 1.2rem;font-size:1.15rem}
.verdict.bad{border-color:#b3261e;background:#fbeeed}
.warn{border-left:6px solid #b7791f;background:#fdf6e7;padding:.6rem 1.2rem;margin-top:1rem}
table{border-collapse:collapse;width:100%}
th{text-align:left;font-weight:400;padding:.25rem .6rem .25rem 0}
td.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
td.n{padding-right:.8rem}
td.bar{width:45%}
td.bar i{display:block;height:.7rem;background:#9bb8d3;border-radius:2px;min-width:2px}
tr{border-bottom:1px solid #e6e9ec}code{background:#f2f4f6;padding:.1rem .3rem}
li{overflow-wrap:anywhere}
@media(prefers-color-scheme:dark){
body{background:#14171a;color:#e4e7ea}.verdict{background:#16301f}
.verdict.bad{background:#3a1b19}.warn{background:#33290f}tr{border-color:#2b3137}
code{background:#22272c}td.bar i{background:#4f7396}.sub{color:#98a2ab}}
)";

void write_counts(JsonWriter& w, std::string_view name,
                  const std::map<std::string, uint64_t>& counts) {
  w.key(name).begin_object();
  for (const auto& [key, count] : counts) w.field(key, count);
  w.end_object();
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
    for (const auto& [how, count] : r.deaths) out.deaths[how] += count;
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

std::string text_report(const Proof& proof) {
  const CrashReport all = proof.sum();
  std::string out = verdict(proof) + "\n\nDeaths\n";
  for (const auto& [how, count] : all.deaths)
    out += fmt::format("  {:34} {:>9}\n", how, grouped(count));
  out += "Acknowledged events\n";
  for (const auto& [kind, count] : all.acknowledged) {
    out += fmt::format("  {:34} {:>9}\n", kind, grouped(count));
  }
  if (proof.simulator.seeds > 0) {
    out += "Simulated\n";
    for (const auto& [name, value] : simulator_figures(proof.simulator)) {
      out += fmt::format("  {:34} {:>9}\n", name, value);
    }
  }
  out += "Figures\n";
  for (const auto& [name, value] : figures(proof))
    out += fmt::format("  {:34} {:>9}\n", name, value);
  if (!proof.disk.warning.empty()) out += "\nNote: " + proof.disk.warning + "\n";
  for (const std::string& v : all.violations) out += "  BROKEN  " + v + "\n";
  return out;
}

std::string html_report(const Proof& proof) {
  const CrashReport all = proof.sum();
  std::string out = fmt::format(
      "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport "
      "content=\"width=device-width\"><title>Penstock proof</title><style>{}</style>\n"
      "<h1>Penstock, proved on this machine</h1>\n<p class=sub>{} · Penstock {} · {} · {:.0f} "
      "s</p>\n"
      "<p class=\"verdict{}\">{}</p>\n",
      kStyle, escaped(proof.host), escaped(proof.version), escaped(proof.began_at), proof.seconds,
      proof.holds() ? "" : " bad", escaped(verdict(proof)));
  if (!proof.disk.warning.empty()) {
    out += fmt::format("<p class=warn>{}</p>\n", escaped(proof.disk.warning));
  }
  if (!all.violations.empty()) {
    out += "<h2>What was found</h2><ul>\n";
    for (const std::string& v : all.violations) out += "<li>" + escaped(v) + "</li>\n";
    out += "</ul>\n";
  }
  out +=
      "<h2>What was done</h2><p>This program was started on a directory of its own, sent events of "
      "every kind by clients that repeat a request until it is acknowledged, and killed without "
      "warning. After every so many kills the clients rested, and every event that had been "
      "acknowledged was looked up.</p>\n";
  out += "<h2>How it died</h2><table>\n" + rows(all.deaths) + "</table>\n";
  out += "<h2>What was acknowledged</h2><table>\n" + rows(all.acknowledged) + "</table>\n";
  const auto table = [&out](const auto& rows) {
    out += "<table>\n";
    for (const auto& [name, value] : rows) {
      out += fmt::format("<tr><th>{}</th><td class=n>{}</td></tr>\n", name, escaped(value));
    }
    out += "</table>\n";
  };
  out += "<h2>Figures</h2>";
  table(figures(proof));
  if (proof.simulator.seeds > 0) {
    out +=
        "<h2>What was simulated</h2><p>Before that, the same code lived on virtual time with a "
        "disk that tears, forgets and rots, a network that loses, repeats and delays, and clocks "
        "that jump, so that thousands of deaths fit into a minute.</p>";
    table(simulator_figures(proof.simulator));
    out += "<h2>Faults it had</h2><table>\n" + rows(proof.simulator.faults) + "</table>\n";
  }
  out += "<h2>Again</h2><p><code>" + escaped(proof.command) + "</code></p></html>\n";
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
  w.end_object();
  write_counts(w, "deaths", all.deaths);
  write_counts(w, "acknowledged", all.acknowledged);
  w.key("seeds").begin_array();
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
