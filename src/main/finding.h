// Finding: one thing that was looked at, in words for the person who runs Penstock; what `doctor`
// and `fsck` answer.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace penstock::cli {

enum class Verdict : unsigned char {
  kGood,
  kNote,  // nothing is broken, and something is worth knowing
  kBad,
};

struct Finding {
  Verdict verdict = Verdict::kGood;
  std::string id;       // stable, for machines: "disk_full"
  std::string what;     // one sentence: how it is
  std::string todo;     // one sentence: what to do; empty when there is nothing
  std::string runbook;  // below docs/runbooks; empty: none
};

class Findings {
 public:
  void good(std::string id, std::string what);
  void note(std::string id, std::string what, std::string todo, std::string runbook = "");
  void bad(std::string id, std::string what, std::string todo, std::string runbook = "");

  const std::vector<Finding>& all() const { return all_; }
  size_t bad_count() const;
  /// Prints everything, for people (with `well` or the number of problems as the last line) or as
  /// JSON, and answers the exit code: 1 when something is bad.
  int tell(bool json, std::string_view well, std::string_view problems) const;

 private:
  std::vector<Finding> all_;
};

}  // namespace penstock::cli
