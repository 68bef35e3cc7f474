#include "main/commands/apps/app_diff.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <sstream>

#include "event/json_fields.h"
#include "main/commands/api.h"
#include "main/table.h"

namespace penstock::cli {
namespace {

constexpr size_t kIndent = 2;
const std::string kAbsent = "–";

/// Members by their path; those of `properties` one by one. Values as JSON.
using Members = std::map<std::string, std::string>;

void add(std::string_view object, const std::string& prefix, Members& out) {
  const auto fields = event::JsonFields::parse(object);
  if (!fields) return;
  for (const auto& f : fields->fields()) {
    if (prefix.empty() && f.key == "properties" && f.value.starts_with('{')) {
      add(f.value, "properties.", out);
    } else {
      out[prefix + std::string(f.key)] = std::string(f.value);
    }
  }
}

struct Side {
  std::string fate, error;
  Members before, after;
  bool has_event = false;  // afterwards

  std::string cell(const std::string& key) const {
    if (!has_event) return "";
    const auto found = after.find(key);
    return found == after.end() ? kAbsent : found->second;
  }
};

Side read(const std::string& answer) {
  Side out;
  const auto fields = event::JsonFields::parse(answer);
  if (!fields) return out;
  out.fate = text_of(*fields, "fate");
  out.error = text_of(*fields, "error");
  add(fields->find("before").value_or("{}"), "", out.before);
  const std::string_view after = fields->find("after").value_or("null");
  out.has_event = after.starts_with('{');
  add(after, "", out.after);
  return out;
}

/// What says that an app ran, and is no doing of its own.
bool is_mark(std::string_view key) {
  return key.starts_with("properties.$plugins_") || key.starts_with("properties.$transformations_");
}

void changed(const Side& side, std::set<std::string>& out) {
  if (!side.has_event) return;
  for (const auto& [key, value] : side.after) {
    const auto was = side.before.find(key);
    const bool same = was != side.before.end() && was->second == value;
    if (!same && !is_mark(key)) out.insert(key);
  }
  for (const auto& [key, value] : side.before) {
    if (!side.after.contains(key)) out.insert(key);
  }
}

std::string fate_of(std::string_view whose, const Side& side) {
  return fmt::format("{}: {}{}{}", whose, side.fate, side.error.empty() ? "" : ", ", side.error);
}

}  // namespace

AppDiff side_by_side(const std::string& uuid, const std::string& now, const std::string& then) {
  const bool runs = !now.empty();
  const Side old = read(now), fresh = read(then);
  std::set<std::string> keys;
  if (runs) changed(old, keys);
  changed(fresh, keys);
  const auto name = fresh.before.find("event");
  std::string out = fmt::format(
      "{}  {}", uuid, name == fresh.before.end() ? "" : event::decode_string(name->second));
  if (runs) out += "  " + fate_of("now", old);
  out += "  " + fate_of("this folder", fresh) + "\n";
  const Members& was_there = runs ? old.after : fresh.before;
  const bool was_kept = !runs || old.has_event;
  const bool same = was_kept == fresh.has_event && old.error == fresh.error &&
                    std::ranges::all_of(keys, [&](const std::string& key) {
                      const auto was = was_there.find(key);
                      return fresh.cell(key) == (was == was_there.end() ? kAbsent : was->second);
                    });
  if (keys.empty()) return {same, out};
  Table table;
  table.header = {"", "as captured"};
  if (runs) table.header.emplace_back("now");
  table.header.emplace_back("this folder");
  for (const std::string& key : keys) {
    const auto was = fresh.before.find(key);
    auto& row = table.rows.emplace_back();
    row = {key, was == fresh.before.end() ? kAbsent : was->second};
    if (runs) row.push_back(old.cell(key));
    row.push_back(fresh.cell(key));
  }
  const size_t width = terminal_width();
  std::istringstream lines(render(table, width > kIndent ? width - kIndent : width));
  for (std::string line; std::getline(lines, line);) {
    out += std::string(kIndent, ' ') + line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
  }
  return {same, out};
}

}  // namespace penstock::cli
