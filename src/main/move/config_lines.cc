#include "main/move/config_lines.h"

#include <algorithm>
#include <fstream>
#include <iterator>

namespace penstock::cli::move {
namespace {

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r";
  const size_t from = text.find_first_not_of(kBlank);
  if (from == std::string_view::npos) return {};
  return text.substr(from, text.find_last_not_of(kBlank) - from + 1);
}

std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> out;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    out.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

/// "engine = …" or "engine=…".
bool sets(std::string_view line, std::string_view key) {
  line = trimmed(line);
  return line.starts_with(key) && trimmed(line.substr(key.size())).starts_with('=');
}

std::string line_of(std::string_view key, const std::string& value) {
  return std::string(key) + " = \"" + value + "\"";
}

void set(std::vector<std::string>& lines, const std::string& option, const std::string& value) {
  const size_t dot = option.find('.');
  const std::string table = "[" + option.substr(0, dot) + "]", key = option.substr(dot + 1);
  for (size_t i = 0; i < lines.size(); i++) {
    if (!trimmed(lines[i]).starts_with(table)) continue;
    for (size_t j = i + 1; j < lines.size() && !trimmed(lines[j]).starts_with('['); j++) {
      if (!sets(lines[j], key)) continue;
      lines[j] = line_of(key, value);
      return;
    }
    lines.insert(lines.begin() + static_cast<std::ptrdiff_t>(i) + 1, line_of(key, value));
    return;
  }
  if (!lines.empty() && !trimmed(lines.back()).empty()) lines.emplace_back();
  lines.push_back(table);
  lines.push_back(line_of(key, value));
}

}  // namespace

std::string config_text(const ConfigChanges& changes) { return with_changes("", changes); }

std::string with_changes(std::string_view toml, const ConfigChanges& changes) {
  std::vector<std::string> lines = lines_of(toml);
  for (const auto& [option, value] : changes) set(lines, option, value);
  std::string out;
  for (const std::string& line : lines) out += line + "\n";
  return out;
}

Status write_config(runtime::FileSystem& files, const std::string& path,
                    const ConfigChanges& changes) {
  std::string before;
  if (std::ifstream in(path, std::ios::binary); in) {
    before.assign(std::istreambuf_iterator<char>(in), {});
  }
  if (!before.empty()) {
    PENSTOCK_CHECK(runtime::write_file_atomic(files, path + ".before-move", before));
  }
  return runtime::write_file_atomic(files, path, with_changes(before, changes));
}

}  // namespace penstock::cli::move
