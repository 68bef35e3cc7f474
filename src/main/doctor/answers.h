// Answers of the admin API, asked once and read by path of member names.
//
// Not thread safe. A call that fails reads as absent everywhere; `error` says why.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "main/instance.h"

namespace penstock::cli::doctor {

class Answer {
 public:
  Answer() = default;
  explicit Answer(std::string json) : json_(std::move(json)) {}

  /// Text of a string, number or literal; "" when absent.
  std::string text(std::initializer_list<std::string_view> path) const;
  uint64_t number(std::initializer_list<std::string_view> path) const;
  bool is_true(std::initializer_list<std::string_view> path) const { return text(path) == "true"; }
  bool has(std::initializer_list<std::string_view> path) const;
  std::vector<Answer> list(std::initializer_list<std::string_view> path) const;
  /// Members of an object: name and number.
  std::vector<std::pair<std::string, uint64_t>> counts(
      std::initializer_list<std::string_view> path) const;

 private:
  std::string raw(std::initializer_list<std::string_view> path) const;
  std::string json_;
};

Result<Answer> ask(const Instance& instance, const std::string& path);
/// Rows of one SQL statement, each cell as text.
Result<std::vector<std::vector<std::string>>> ask_sql(const Instance& instance,
                                                      const std::string& project,
                                                      const std::string& sql);

}  // namespace penstock::cli::doctor
