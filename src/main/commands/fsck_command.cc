// penstock fsck: is everything in this data directory whole?
#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <memory>

#include "main/commands/commands.h"
#include "main/fsck/fsck.h"
#include "main/instance.h"

namespace penstock::cli {
namespace {

struct FsckArgs {
  std::string data = default_data_dir();
  bool json = false;
};

int run_fsck(const FsckArgs& args) {
  Settings settings;
  config::OptionTable table;
  const Status good = read_settings(table, settings, args.data);
  if (!good) return complain(good.error().message);
  const bool watched = ::isatty(STDERR_FILENO) != 0;
  const auto progress = [watched](const std::string& what) {
    if (!watched) return;
    fmt::print(stderr, "\r{:79}\r  reading {}", "", what);
    std::fflush(stderr);
  };
  const Findings findings =
      fsck::check(std::filesystem::absolute(args.data).lexically_normal(), settings, progress);
  if (watched) fmt::print(stderr, "\r{:79}\r", "");
  return findings.tell(args.json, "Everything is whole.", "Things that are not whole");
}

}  // namespace

void add_fsck(CLI::App& app, Run& run) {
  auto args = std::make_shared<FsckArgs>();
  CLI::App* c = app.add_subcommand("fsck", "Read everything in a data directory: is it whole?");
  c->footer(
      "Penstock must not be running on it. Reads every block of the log, every checksum of the "
      "state, the "
      "catalog and\nevery object, counts the ledger anew from the log, and opens the store. "
      "Repairs nothing. "
      "Exit code 1: something is BAD.");
  add_data_option(*c, args->data);
  c->add_flag("--json", args->json, "JSON for machines");
  c->callback([args, &run] { run = [args] { return run_fsck(*args); }; });
}

}  // namespace penstock::cli
