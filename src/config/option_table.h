// OptionTable: every setting once, with its unit, range, help and where its value came from.
//
// main binds each option to a field of a room's own options struct (whose initial value is the
// default). From the table come the TOML file, the environment, `--set name=value`, validation,
// docs/CONFIG.md and the admin page. Names are dotted, room first: `capture.body_bytes_max`; the
// environment variable is PENSTOCK_CAPTURE_BODY_BYTES_MAX. Unknown names are errors. Used at start,
// by one thread; the bound fields must outlive the table.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>
#include <vector>

#include "base/result.h"

namespace penstock::config {

struct OptionInfo {
  std::string name;
  std::string unit;                // "bytes", "ms", "count", "address", "path", …
  std::string help;                // one line
  std::string default_value;       // as text
  std::string range;               // "1..100", empty when any
  std::string value;               // now; "(set)" for secrets
  std::string source = "default";  // default | file | environment | command line
  bool secret = false;
};

class OptionTable {
 public:
  template <typename Integer>
    requires std::is_integral_v<Integer>
  void add(std::string name, Integer& field, int64_t min, int64_t max, std::string unit,
           std::string help) {
    add_number(std::move(name), std::move(unit), std::move(help), min, max,
               static_cast<int64_t>(field),
               [&field](int64_t v) { field = static_cast<Integer>(v); });
  }
  void add(std::string name, bool& field, std::string help);
  void add(std::string name, std::string& field, std::string unit, std::string help,
           bool secret = false);

  /// `source` as in OptionInfo; kInvalid says what is wrong and what is allowed.
  Status set(std::string_view name, std::string_view value, std::string_view source);
  /// A TOML document with one table per room; errors name the line.
  Status load_toml(std::string_view text, const std::string& file_name);
  /// `lookup(name)` answers nullptr or the value, as getenv does.
  Status load_environment(const std::function<const char*(const char*)>& lookup);

  std::vector<OptionInfo> list() const;
  /// docs/CONFIG.md.
  std::string render_markdown() const;

 private:
  struct Option {
    OptionInfo info;
    std::function<Status(std::string_view)> assign;
  };
  void add_number(std::string name, std::string unit, std::string help, int64_t min, int64_t max,
                  int64_t now, std::function<void(int64_t)> store);

  std::vector<Option> options_;
};

/// "64 MiB", "10s", "1_000" → a number in the base unit (bytes or ms); plain digits always work.
Result<int64_t> parse_quantity(std::string_view text, std::string_view unit);

}  // namespace penstock::config
