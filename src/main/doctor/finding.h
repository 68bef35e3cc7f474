// Finding: one thing a doctor looked at, in words for the person who runs Penstock.
#pragma once

#include <string>
#include <vector>

namespace penstock::cli::doctor {

enum class Verdict : unsigned char {
  kGood,
  kNote,  // events are visible, and something is worth knowing
  kBad,   // events are refused, wait, or do not become rows
};

struct Finding {
  Verdict verdict = Verdict::kGood;
  std::string id;       // stable, for machines: "disk_full"
  std::string what;     // one sentence: how it is
  std::string todo;     // one sentence: what to do; empty when there is nothing
  std::string runbook;  // below docs/runbooks; empty: none
};

using Findings = std::vector<Finding>;

}  // namespace penstock::cli::doctor
