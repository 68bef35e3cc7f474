#include "config/option_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>

#define TOML_EXCEPTIONS 0
#include <toml++/toml.h>

namespace penstock::config {
namespace {

struct Suffix {
  std::string_view unit, text;
  int64_t factor;
};
constexpr std::array<Suffix, 12> kSuffixes{{
    {"bytes", "KiB", int64_t{1} << 10},
    {"bytes", "MiB", int64_t{1} << 20},
    {"bytes", "GiB", int64_t{1} << 30},
    {"bytes", "TiB", int64_t{1} << 40},
    {"bytes", "KB", 1000},
    {"bytes", "MB", 1'000'000},
    {"bytes", "GB", 1'000'000'000},
    {"ms", "ms", 1},
    {"ms", "s", 1000},
    {"ms", "m", 60'000},
    {"ms", "h", 3'600'000},
    {"ms", "d", 86'400'000},
}};

std::string environment_name(std::string_view option) {
  std::string out = "PENSTOCK_";
  for (const char c : option) {
    out += c == '.' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  return out;
}

Result<std::string> scalar_text(const toml::node& node) {
  if (const auto* s = node.as_string()) return s->get();
  if (const auto* i = node.as_integer()) return fmt::to_string(i->get());
  if (const auto* b = node.as_boolean()) return std::string(b->get() ? "true" : "false");
  return fail(Code::kInvalid, "the value must be a string, a whole number or true/false");
}

}  // namespace

Result<int64_t> parse_quantity(std::string_view text, std::string_view unit) {
  std::string digits;
  size_t i = 0;
  for (; i < text.size(); i++) {
    const char c = text[i];
    if (c == '_') continue;
    if (!std::isdigit(static_cast<unsigned char>(c)) && !(c == '-' && i == 0)) break;
    digits += c;
  }
  std::string_view rest = text.substr(i);
  while (rest.starts_with(' ')) rest.remove_prefix(1);
  int64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc() || end != digits.data() + digits.size()) {
    return fail(Code::kInvalid, fmt::format("'{}' is not a number", text));
  }
  if (rest.empty()) return value;
  for (const Suffix& s : kSuffixes) {
    if (s.unit != unit || s.text != rest) continue;
    int64_t scaled = 0;
    if (__builtin_mul_overflow(value, s.factor, &scaled)) break;
    return scaled;
  }
  return fail(Code::kInvalid, fmt::format("'{}' is not a number of {}", text, unit));
}

void OptionTable::add_number(std::string name, std::string unit, std::string help, int64_t min,
                             int64_t max, int64_t now, std::function<void(int64_t)> store) {
  Option option;
  option.info = {std::move(name),
                 unit,
                 std::move(help),
                 fmt::to_string(now),
                 fmt::format("{}..{}", min, max),
                 fmt::to_string(now),
                 "default",
                 false};
  option.assign = [min, max, unit, store = std::move(store)](std::string_view text) -> Status {
    PENSTOCK_TRY(const int64_t value, parse_quantity(text, unit));
    if (value < min || value > max) {
      return fail(Code::kInvalid, fmt::format("{} is outside {}..{}", value, min, max));
    }
    store(value);
    return {};
  };
  options_.push_back(std::move(option));
}

void OptionTable::add(std::string name, bool& field, std::string help) {
  Option option;
  const std::string now = field ? "true" : "false";
  option.info = {std::move(name), "true/false", std::move(help), now, "", now, "default", false};
  option.assign = [&field](std::string_view text) -> Status {
    if (text != "true" && text != "false") {
      return fail(Code::kInvalid, fmt::format("'{}' is neither true nor false", text));
    }
    field = text == "true";
    return {};
  };
  options_.push_back(std::move(option));
}

void OptionTable::add(std::string name, std::string& field, std::string unit, std::string help,
                      bool secret) {
  Option option;
  option.info = {std::move(name), std::move(unit), std::move(help), field, "",
                 field,           "default",       secret};
  option.assign = [&field](std::string_view text) -> Status {
    field = text;
    return {};
  };
  options_.push_back(std::move(option));
}

Status OptionTable::set(std::string_view name, std::string_view value, std::string_view source) {
  for (Option& option : options_) {
    if (option.info.name != name) continue;
    if (auto done = option.assign(value); !done) return fail(done.error(), name);
    option.info.value = option.info.secret ? "(set)" : std::string(value);
    option.info.source = source;
    return {};
  }
  return fail(Code::kInvalid,
              fmt::format("there is no option '{}' (docs/CONFIG.md lists them)", name));
}

Status OptionTable::load_toml(std::string_view text, const std::string& file_name) {
  const toml::parse_result parsed = toml::parse(text, file_name);
  if (!parsed) {
    return fail(Code::kInvalid,
                fmt::format("{}:{}: {}", file_name, parsed.error().source().begin.line,
                            parsed.error().description()));
  }
  for (const auto& [room, node] : parsed.table()) {
    const auto line = [&](const toml::node& at) {
      return fmt::format("{}:{}", file_name, at.source().begin.line);
    };
    const auto* table = node.as_table();
    if (table == nullptr) {
      return fail(Code::kInvalid, fmt::format("{}: '{}' must stand in a table such as [capture]",
                                              line(node), room.str()));
    }
    for (const auto& [key, value] : *table) {
      auto scalar = scalar_text(value);
      if (!scalar) return fail(scalar.error(), line(value));
      const std::string name = fmt::format("{}.{}", room.str(), key.str());
      if (auto done = set(name, *scalar, "file"); !done) return fail(done.error(), line(value));
    }
  }
  return {};
}

Status OptionTable::load_environment(const std::function<const char*(const char*)>& lookup) {
  for (const Option& option : options_) {
    const std::string variable = environment_name(option.info.name);
    const char* value = lookup(variable.c_str());
    if (value == nullptr) continue;
    if (auto done = set(option.info.name, value, "environment"); !done) {
      return fail(done.error(), variable);
    }
  }
  return {};
}

std::vector<OptionInfo> OptionTable::list() const {
  std::vector<OptionInfo> out;
  for (const Option& option : options_) out.push_back(option.info);
  return out;
}

std::string OptionTable::render_markdown() const {
  std::string out =
      "# Configuration\n\n"
      "Generated by `penstock config --markdown`; do not edit. Values come, later ones winning, "
      "from the defaults, `<data>/penstock.toml`, the environment and `--set name=value`. "
      "`penstock check-config` checks them without starting anything. Sizes take KiB, MiB, GiB; "
      "times take ms, s, m, h, d. Changes take effect at the next start.\n\n"
      "| Option | Default | Unit | Range | What it does | Environment "
      "|\n|---|---|---|---|---|---|\n";
  for (const Option& option : options_) {
    const OptionInfo& i = option.info;
    const std::string shown = i.default_value.empty() ? "" : fmt::format("`{}`", i.default_value);
    out += fmt::format("| `{}` | {} | {} | {} | {} | `{}` |\n", i.name, shown, i.unit, i.range,
                       i.help, environment_name(i.name));
  }
  return out;
}

}  // namespace penstock::config
