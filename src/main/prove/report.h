// Report of a proof: for the terminal, as a page that anyone can read, and for machines.
//
// A Proof is what the command measured and found; these only write it down.
#pragma once

#include <string>
#include <vector>

#include "main/prove/crash_loop.h"
#include "main/prove/disk.h"
#include "main/prove/simulator.h"

namespace penstock::cli::prove {

struct Proof {
  std::string version, host, began_at, command;
  double seconds = 0;
  SimulatorReport simulator;
  std::vector<CrashReport> loops;
  DiskReport disk;

  /// Every promise was kept.
  bool holds() const;
  /// The loops' figures in one, with what the simulator found.
  CrashReport sum() const;
};

std::string text_report(const Proof& proof);
std::string html_report(const Proof& proof);
std::string json_report(const Proof& proof);

}  // namespace penstock::cli::prove
