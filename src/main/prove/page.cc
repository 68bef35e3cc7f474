// The page of a proof: verdict, promise, what was asked, what was done, what it does not show.
#include <fmt/format.h>

#include <algorithm>

#include "main/prove/report.h"
#include "main/prove/words.h"
#include "simulation/simulation.h"

namespace penstock::cli::prove {
namespace {

constexpr std::string_view kStyle = R"(
body{font:16px/1.5 system-ui,sans-serif;max-width:50rem;margin:3rem auto;padding:0 1rem}
body{color:#1b1f24}
h1{font-size:1.6rem;margin:0}h2{font-size:1.15rem;margin:2.4rem 0 .4rem}
h3{font-size:1rem;margin:1.2rem 0 .2rem}
.sub{color:#5c6670;margin:.2rem 0 1.6rem}
.verdict{border-left:6px solid #1a7f4b;background:#eef8f2;padding:1rem 1.2rem;font-size:1.15rem}
.verdict.bad{border-color:#b3261e;background:#fbeeed}
.warn{border-left:6px solid #b7791f;background:#fdf6e7;padding:.6rem 1.2rem;margin-top:1rem}
table{border-collapse:collapse;width:100%}
th{text-align:left;font-weight:400;padding:.25rem .6rem .25rem 0}
td{white-space:nowrap;padding:.25rem .6rem .25rem 0}
td.n{text-align:right;font-variant-numeric:tabular-nums}
td.yes{color:#1a7f4b;font-weight:600}td.no{color:#b3261e;font-weight:600}
td.bar{width:25%}
td.bar i{display:block;height:.7rem;background:#9bb8d3;border-radius:2px;min-width:2px}
tr{border-bottom:1px solid #e6e9ec}code{background:#f2f4f6;padding:.1rem .3rem}
li{overflow-wrap:anywhere}dt{font-weight:600}dd{margin:0 0 .4rem 1rem}
@media(prefers-color-scheme:dark){
body{background:#14171a;color:#e4e7ea}.verdict{background:#16301f}
.verdict.bad{background:#3a1b19}.warn{background:#33290f}tr{border-color:#2b3137}
td.yes{color:#5fc48f}td.no{color:#f2877f}
code{background:#22272c}td.bar i{background:#4f7396}.sub{color:#98a2ab}}
)";

constexpr std::string_view kPromise =
    "<h2>The promise</h2><p>When Penstock confirms a request (it answers 200), the events in it "
    "are "
    "safe. Whatever happens to it afterwards, each of them is stored, exactly once, or Penstock "
    "can "
    "say why not: a rule of yours dropped it, or it was set aside until somebody mends its cause. "
    "Until a request is confirmed, the sender keeps its events and tries again.</p>\n";

constexpr std::string_view kDone =
    "<h2>What was done to it</h2><p>This very program was started on an empty directory of this "
    "disk. Three senders sent events without a pause, each repeating a request until it was "
    "confirmed, and now and then once more. Meanwhile the program was killed again and again, "
    "without a warning and at random moments, and started again.</p>\n";

constexpr std::string_view kLimits =
    "<h2>What this does not show</h2><ul>\n"
    "<li>A kill ends a program; the machine lives on. What a power cut leaves on <em>your</em> "
    "disk "
    "was simulated, not tried: nothing here pulled a plug. Look at the time that the disk takes to "
    "confirm a write, and at a warning above, if there is one.</li>\n"
    "<li>It is a sample. Other random moments are a run away: leave out the seed below, and ask "
    "for "
    "more kills.</li>\n"
    "<li>It ran with the settings of a fresh installation, everything on one machine, not with "
    "yours, and with a few events a second, not with your load.</li>\n</ul>\n";

constexpr std::string_view kWords =
    "<h2>Words</h2><dl>\n"
    "<dt>killed</dt><dd>ended by the system at once (SIGKILL): the program cannot finish a line, "
    "close a file or say goodbye.</dd>\n"
    "<dt>confirmed</dt><dd>answered with 200. Only what was confirmed is promised.</dd>\n"
    "<dt>set aside</dt><dd>in quarantine: kept byte for byte, with the reason, until it is "
    "mended or given up.</dd>\n"
    "<dt>bookkeeping</dt><dd>the ledger: how many events came in, and what became of each.</dd>\n"
    "<dt>person, visitor</dt><dd>one person may have several visitor ids (a phone, a laptop, a "
    "login); no visitor id may have two persons.</dd>\n</dl>\n";

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

using Counts = std::vector<std::pair<std::string_view, uint64_t>>;

std::string bars(const Counts& counts) {
  uint64_t most = 1;
  for (const auto& [name, count] : counts) most = std::max(most, count);
  std::string out = "<table>\n";
  for (const auto& [name, count] : counts) {
    out += fmt::format(
        "<tr><th>{}</th><td class=n>{}</td><td class=bar><i style=\"width:{}%\"></i></td></tr>\n",
        escaped(name), grouped(count), count * 100 / most);
  }
  return out + "</table>\n";
}

std::string table(const Figures& rows) {
  std::string out = "<table>\n";
  for (const auto& [name, value] : rows) {
    out += fmt::format("<tr><th>{}</th><td class=n>{}</td></tr>\n", escaped(name), escaped(value));
  }
  return out + "</table>\n";
}

std::string asked(const Proof& proof, const CrashReport& all) {
  std::string out = "<h2>What was asked afterwards, and the answers</h2><table>\n";
  const auto row = [&out](std::string_view question, std::string_view looked_at,
                          const Checked& checked) {
    out += fmt::format("<tr><th>{}</th><td class=n>{} {}</td><td class={}>{}</td></tr>\n",
                       escaped(question), grouped(checked.looked_at), escaped(looked_at),
                       checked.wrong > 0 ? "no" : "yes", answer(checked));
  };
  if (!proof.loops.empty()) {
    for (size_t i = 0; i < kChecks; i++) {
      const Question question = words_of(static_cast<Check>(i));
      row(question.words, question.looked_at, all.checks[i]);
    }
  }
  if (proof.simulator.seeds > 0) {
    row("Was all of this so, and more, in the simulation?", "lives",
        {proof.simulator.lives, proof.simulator.violations.size()});
  }
  return out + "</table>\n";
}

std::string killed(const CrashReport& all) {
  Counts blows, sent;
  for (size_t i = 0; i < kBlows; i++) {
    blows.emplace_back(words_of(static_cast<Blow>(i)).words, all.blows[i]);
  }
  for (size_t i = 0; i < kKinds; i++) {
    const auto kind = static_cast<Kind>(i);
    const auto found = all.acknowledged.find(std::string(kind_name(kind)));
    sent.emplace_back(words_of(kind), found == all.acknowledged.end() ? 0 : found->second);
  }
  return std::string(kDone) + bars(blows) + "<h2>What was sent meanwhile, and confirmed</h2>\n" +
         bars(sent);
}

std::string simulated(const SimulatorReport& simulator) {
  std::string out =
      "<h2>What was simulated</h2><p>Before that, the same code lived on a simulated machine, "
      "where "
      "time passes faster and anything can be made to fail at the worst moment: thousands of lives "
      "fit into a minute. After each history all was mended, and everything was looked up.</p>\n" +
      table(simulator_figures(simulator)) + "<p>What befell it there, and how often:</p>\n";
  std::vector<std::pair<std::string_view, Counts>> groups;
  for (const std::string_view name : simulation::fault_names()) {
    const auto struck = simulator.faults.find(std::string(name));
    if (struck == simulator.faults.end()) continue;
    const simulation::FaultWords words = simulation::fault_words(name);
    if (groups.empty() || groups.back().first != words.of) groups.push_back({words.of, {}});
    groups.back().second.emplace_back(words.words, struck->second);
  }
  for (const auto& [of, counts] : groups) {
    out += fmt::format("<h3>{}</h3>\n{}", escaped(of), bars(counts));
  }
  return out;
}

}  // namespace

std::string html_report(const Proof& proof) {
  const CrashReport all = proof.sum();
  std::string out = fmt::format(
      "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport "
      "content=\"width=device-width\"><title>Penstock proof</title><style>{}</style>\n"
      "<h1>Does Penstock keep what it confirms, on this machine?</h1>\n"
      "<p class=sub>{} · Penstock {} · {} · it took {:.0f} s</p>\n<p class=\"verdict{}\">{}</p>\n",
      kStyle, escaped(proof.host), escaped(proof.version), escaped(proof.began_at), proof.seconds,
      proof.holds() ? "" : " bad", escaped(verdict(proof)));
  if (!proof.disk.warning.empty()) {
    out += fmt::format("<p class=warn>{}</p>\n", escaped(proof.disk.warning));
  }
  if (!all.violations.empty()) {
    out += "<h2>What was found</h2><ul>\n";
    for (const std::string& v : all.violations) out += "<li>" + escaped(v) + "</li>\n";
    out += "</ul>\n<p>The directory named there was kept. Please report this with it.</p>\n";
  }
  out += kPromise;
  out += asked(proof, all);
  if (!proof.loops.empty()) out += killed(all) + "<h2>Figures</h2>" + table(figures(proof));
  if (proof.simulator.seeds > 0) out += simulated(proof.simulator);
  out += kLimits;
  out += kWords;
  out +=
      "<h2>The same once more</h2><p>This repeats the run: what is sent and simulated is the "
      "same, the moments of the kills nearly so.</p><p><code>" +
      escaped(proof.command) + "</code></p></html>\n";
  return out;
}

}  // namespace penstock::cli::prove
