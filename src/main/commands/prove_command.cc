// penstock prove: shows on this machine and its disk that what was acknowledged is kept.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <future>
#include <memory>
#include <random>

#include "base/diag.h"
#include "event/timestamp.h"
#include "main/commands/commands.h"
#include "main/prove/report.h"

namespace penstock::cli {
namespace {

using namespace prove;

struct ProveArgs {
  std::string directory = "penstock-proof", report;
  uint64_t kills = 60, seed = 0, jobs = 1;
  double simulate = 60;
  bool json = false;
};

constexpr auto kProgressPause = std::chrono::milliseconds(500);

std::string host_name() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "this machine";
}

int64_t now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

void show(const CrashProgress& p, uint64_t kills) {
  constexpr uint64_t kWidth = 24;
  const uint64_t done = std::min(p.kills.load(), kills);
  const uint64_t filled = kills == 0 ? kWidth : done * kWidth / kills;
  fmt::print(stderr, "\r  [{:<{}}] {} of {} kills, {} events acknowledged, {} comparisons ",
             std::string(filled, '#'), kWidth, done, kills, p.acknowledged.load(), p.audits.load());
  std::fflush(stderr);
}

/// All loops side by side; the first Error of one is the answer.
Result<std::vector<CrashReport>> crash(const ProveArgs& args) {
  if (args.kills == 0) return std::vector<CrashReport>{};
  std::vector<CrashProgress> progress(args.jobs);
  std::vector<std::future<Result<CrashReport>>> loops;
  for (uint64_t i = 0; i < args.jobs; i++) {
    CrashOptions options;
    options.seed = args.seed + i;
    options.kills = (args.kills + args.jobs - 1) / args.jobs;
    options.directory = fmt::format("{}/crashes-{}", args.directory, options.seed);
    loops.push_back(std::async(std::launch::async, [options, &own = progress[i]] {
      return run_crash_loop(options, own);
    }));
  }
  const bool watched = ::isatty(STDERR_FILENO) != 0;
  for (auto& loop : loops) {
    while (loop.wait_for(kProgressPause) != std::future_status::ready) {
      if (!watched) continue;
      CrashProgress all;
      for (const CrashProgress& p : progress) {
        all.kills += p.kills;
        all.acknowledged += p.acknowledged;
        all.audits += p.audits;
      }
      show(all, args.kills);
    }
  }
  if (watched) fmt::print(stderr, "\r{:79}\r", "");
  std::vector<CrashReport> out;
  for (auto& loop : loops) {
    PENSTOCK_TRY(out.emplace_back(), loop.get());
  }
  return out;
}

SimulatorReport simulate(const ProveArgs& args) {
  if (args.simulate <= 0) return {};
  // What a simulated process warns of is no news.
  diag::set_sink([](diag::Level, std::string_view, diag::Fields) {});
  const bool watched = ::isatty(STDERR_FILENO) != 0;
  SimulatorReport report = run_simulator(args.seed, args.simulate, [&](const SimulatorReport& r) {
    if (!watched) return;
    fmt::print(stderr, "\r  simulating: {} lives, {:.1f} hours in {:.0f} of {:.0f} s ", r.lives,
               r.virtual_hours, r.seconds, args.simulate);
    std::fflush(stderr);
  });
  if (watched) fmt::print(stderr, "\r{:79}\r", "");
  return report;
}

int run_prove(ProveArgs args) {
  if (args.kills == 0 && args.simulate <= 0) return complain("neither --kills nor --simulate");
  if (args.seed == 0) args.seed = 1 + std::random_device{}() % 1'000'000;
  if (args.report.empty()) args.report = args.directory + "/report.html";
  std::error_code error;
  std::filesystem::create_directories(args.directory, error);
  Proof proof;
  proof.version = PENSTOCK_VERSION;
  proof.host = host_name();
  proof.began_at = event::format_rfc3339_ms(now_ms());
  proof.command =
      fmt::format("penstock prove --directory {} --simulate {} --kills {} --jobs {} --seed {}",
                  args.directory, args.simulate, args.kills, args.jobs, args.seed);
  const auto disk = look_at_disk(args.directory);
  if (!disk) return complain(disk.error().message);
  proof.disk = *disk;
  const int64_t begun = now_ms();
  proof.simulator = simulate(args);
  auto loops = crash(args);
  if (!loops) return complain(loops.error().message);
  proof.loops = std::move(*loops);
  proof.seconds = static_cast<double>(now_ms() - begun) / 1000;
  std::ofstream page(args.report, std::ios::binary);
  page << html_report(proof);
  page.close();
  if (!page) return complain("cannot write " + args.report);
  if (args.json) {
    fmt::print("{}\n", json_report(proof));
  } else {
    fmt::print("{}\nThe report to show: {}\n", text_report(proof), args.report);
  }
  return proof.holds() ? 0 : 1;
}

}  // namespace

void add_prove(CLI::App& app, Run& run) {
  auto args = std::make_shared<ProveArgs>();
  CLI::App* c = app.add_subcommand(
      "prove", "Kill Penstock again and again on this machine and look for lost events");
  c->footer(
      "First a simulation of its lives and deaths, then the real thing: starts Penstock on a "
      "directory of its own (not on your\ndata), sends events, kills it at random moments, and "
      "compares what was confirmed with what is stored. Writes a page\nthat anyone can read. Exit "
      "code 1: a promise was broken; the directory is kept then.\nExample, on the disk you will "
      "use: penstock prove --directory /data/proof --kills 500");
  c->add_option("--directory", args->directory,
                "Where to work, on the disk to be proved (default penstock-proof)");
  c->add_option("--kills", args->kills, "How often it is killed (default 60: about a minute)")
      ->check(CLI::Range(0, 1'000'000));
  c->add_option("--simulate", args->simulate, "Seconds for the simulator (default 60; 0: none)")
      ->check(CLI::Range(0.0, 1e7));
  c->add_option("--jobs", args->jobs, "Loops side by side (default 1)")->check(CLI::Range(1, 64));
  c->add_option("--seed", args->seed, "Of the random choices (default: a fresh one)");
  c->add_option("--report", args->report, "The page to write (default DIRECTORY/report.html)");
  c->add_flag("--json", args->json, "JSON for machines");
  c->callback([args, &run] { run = [args] { return run_prove(*args); }; });
}

}  // namespace penstock::cli
