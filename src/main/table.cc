#include "main/table.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>

namespace penstock::cli {
namespace {

constexpr size_t kCellMax = 60;

/// Characters, not bytes: continuation bytes take no column.
size_t columns_of(const std::string& text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  }));
}

std::string cut(std::string text, size_t max) {
  std::replace_if(text.begin(), text.end(), [](char c) { return c == '\n' || c == '\t'; }, ' ');
  if (columns_of(text) <= max) return text;
  size_t bytes = 0, seen = 0;
  while (bytes < text.size()) {
    const bool starts = (static_cast<unsigned char>(text[bytes]) & 0xc0) != 0x80;
    if (starts && ++seen > max - 1) break;
    bytes++;
  }
  return text.substr(0, bytes) + "…";
}

void pad(std::string& out, const std::string& text, size_t width, bool right) {
  const size_t used = columns_of(text);
  const std::string space(width > used ? width - used : 0, ' ');
  out += right ? space + text : text + space;
}

}  // namespace

std::string render(const Table& table, size_t width) {
  const size_t columns = table.header.size();
  const size_t cell_max = width == 0
                              ? std::string::npos
                              : std::max<size_t>(kCellMax, width / std::max<size_t>(1, columns));
  std::vector<std::vector<std::string>> rows;
  std::vector<size_t> widths(columns);
  for (size_t c = 0; c < columns; c++) widths[c] = columns_of(table.header[c]);
  for (const auto& row : table.rows) {
    auto& out = rows.emplace_back();
    for (size_t c = 0; c < columns; c++) {
      out.push_back(c < row.size() ? cut(row[c], cell_max) : std::string());
      widths[c] = std::max(widths[c], columns_of(out[c]));
    }
  }
  const auto right = [&](size_t c) { return c < table.right.size() && table.right[c]; };
  std::string out;
  for (size_t c = 0; c < columns; c++) {
    pad(out, table.header[c], widths[c], right(c));
    out += c + 1 < columns ? "  " : "\n";
  }
  for (size_t c = 0; c < columns; c++) {
    for (size_t i = 0; i < widths[c]; i++) out += "─";
    out += c + 1 < columns ? "  " : "\n";
  }
  for (const auto& row : rows) {
    for (size_t c = 0; c < columns; c++) {
      pad(out, row[c], widths[c], right(c));
      out += c + 1 < columns ? "  " : "\n";
    }
  }
  return out;
}

size_t terminal_width() {
  winsize size{};
  if (::isatty(STDOUT_FILENO) == 0 || ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0) return 0;
  return size.ws_col;
}

}  // namespace penstock::cli
