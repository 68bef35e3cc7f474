// Report of a proof: for the terminal, as a page that anyone can read, and for machines.
//
// A Proof is what the command measured and found; these only write it down. The texts say what was
// done, what was asked afterwards and what the answers were, without a name of the code.
#pragma once

#include <string>
#include <utility>
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

/// The answer to "does it keep its promise here?", in two or three sentences.
std::string verdict(const Proof& proof);
/// Label and value, for a person.
using Figures = std::vector<std::pair<std::string, std::string>>;
Figures simulator_figures(const SimulatorReport& simulator);
Figures figures(const Proof& proof);
/// How an answer to a check reads.
std::string answer(const Checked& checked);

std::string text_report(const Proof& proof);
std::string html_report(const Proof& proof);
std::string json_report(const Proof& proof);

}  // namespace penstock::cli::prove
