// The commands of `penstock`: each adds itself to the command line and answers an exit code.
//
// 0: done; 1: it failed (one sentence on stderr says what and what to do); 2: the command line is
// wrong. Output for people goes to stdout; `--json` makes it for machines.
#pragma once

#include <CLI/CLI.hpp>

#include <functional>
#include <string>

namespace penstock::cli {

/// What the chosen subcommand wants run after parsing.
using Run = std::function<int()>;

void add_up(CLI::App& app, Run& run);
void add_send(CLI::App& app, Run& run);
void add_tail(CLI::App& app, Run& run);
void add_messages(CLI::App& app, Run& run);
void add_query(CLI::App& app, Run& run);
void add_trace(CLI::App& app, Run& run);
void add_ledger(CLI::App& app, Run& run);
void add_quarantine(CLI::App& app, Run& run);  // list, show, try, edit, redrive, discard
void add_squash(CLI::App& app, Run& run);
void add_store(CLI::App& app, Run& run);  // store ddl
void add_doctor(CLI::App& app, Run& run);
void add_config(CLI::App& app, Run& run);   // config, check-config, metrics
void add_account(CLI::App& app, Run& run);  // login, projects
void add_persons(CLI::App& app, Run& run);  // persons merges, preview, split, delete
void add_log(CLI::App& app, Run& run);      // log inspect, log repair
void add_fsck(CLI::App& app, Run& run);
void add_move(CLI::App& app, Run& run);
void add_prove(CLI::App& app, Run& run);
void add_hog(CLI::App& app, Run& run);  // run, compile, disasm, fmt, repl
void add_app(CLI::App& app, Run& run);  // app new, test, deploy, list, …
void add_version(CLI::App& app, Run& run);

/// Prints "penstock: <message>" to stderr and answers 1.
int complain(const std::string& message);
/// The --data option every client command has.
void add_data_option(CLI::App& command, std::string& data_dir);

}  // namespace penstock::cli
