// The doctor: why are my events not visible?
//
// Follows an event's path from the socket to SQL and says in plain words where it is held up: on a
// running instance by asking its admin API and its store, on a directory without one by looking for
// what a start would stumble over. Reads only. Blocks for seconds. main's thread.
#pragma once

#include <string>

#include "main/finding.h"
#include "main/instance.h"

namespace penstock::cli::doctor {

Findings examine(const std::string& data_dir);

// The two halves, in files of their own.
void examine_running(const Instance& instance, Findings& out);
void examine_stopped(const std::string& data_dir, Findings& out);

}  // namespace penstock::cli::doctor
