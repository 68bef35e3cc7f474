// The command line: one subcommand each, help that teaches, exit codes as in commands.h.
#include <fmt/format.h>
#include <malloc.h>

#include <cstdio>
#include <string_view>
#include <system_error>

#include "apps/app_worker.h"
#include "main/commands/commands.h"
#include "store/engine_store.h"

namespace penstock::cli {

int complain(const std::string& message) {
  // Not by fmt::print, which throws where the output is on a full disk.
  std::fputs(("penstock: " + message + '\n').c_str(), stderr);
  return 1;
}

void add_data_option(CLI::App& command, std::string& data_dir) {
  command.add_option("--data", data_dir,
                     "Data directory (default: $PENSTOCK_DATA, else penstock-data)");
}

namespace {

int run_command_line(int argc, char** argv) {
  CLI::App app(
      "Penstock: product events, from PostHog's SDKs to SQL, in one program.\n\n"
      "First minute:\n"
      "  penstock up                      start; prints a key, a curl and a login link\n"
      "  penstock send \"signed up\"        send an event\n"
      "  penstock query \"SELECT …\"        ask about events in SQL\n"
      "  penstock trace <uuid>            where is my event?");
  app.require_subcommand(1);
  app.set_help_all_flag("--help-all", "Help of every command");
  Run run;
  add_up(app, run);
  add_send(app, run);
  add_tail(app, run);
  add_messages(app, run);
  add_query(app, run);
  add_trace(app, run);
  add_ledger(app, run);
  add_quarantine(app, run);
  add_squash(app, run);
  add_store(app, run);
  add_doctor(app, run);
  add_config(app, run);
  add_account(app, run);
  add_persons(app, run);
  add_app(app, run);
  add_log(app, run);
  add_fsck(app, run);
  add_move(app, run);
  add_prove(app, run);
  add_hog(app, run);
  add_version(app, run);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error);
    return code == 0 ? 0 : 2;
  }
  try {
    return run ? run() : 2;
  } catch (const std::system_error& error) {
    return complain(error.what());  // of what writes the answer: its reader or its disk is gone
  }
}

/// Event buffers of all sizes come and go a thousand times a second. Left alone, the allocator
/// gives their memory back to the system and takes it again, and touching fresh pages is dearer
/// than everything else that happens to an event.
void keep_memory() {
  constexpr int kTrimBytes = 128 << 20, kTopBytes = 4 << 20, kOwnMappingBytes = 32 << 20;
  mallopt(M_TRIM_THRESHOLD, kTrimBytes);
  mallopt(M_TOP_PAD, kTopBytes);
  mallopt(M_MMAP_THRESHOLD, kOwnMappingBytes);
}

}  // namespace
}  // namespace penstock::cli

int main(int argc, char** argv) {
  if (argc > 1 && std::string_view(argv[1]) == "engine-child") {
    return penstock::store::engine_child_main(argc, argv);
  }
  if (argc > 1 && std::string_view(argv[1]) == "app-worker") {
    return penstock::apps::app_worker_main(argc, argv);
  }
  penstock::cli::keep_memory();
  return penstock::cli::run_command_line(argc, argv);
}
