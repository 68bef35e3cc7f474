// Table: rows of text for a terminal, columns aligned, cut to the terminal's width.
#pragma once

#include <string>
#include <vector>

namespace penstock::cli {

struct Table {
  std::vector<std::string> header;
  std::vector<bool> right;  // right-aligned columns (numbers)
  std::vector<std::vector<std::string>> rows;
};

/// `width` 0: no limit (output is not a terminal).
std::string render(const Table& table, size_t width);
/// Columns of the terminal behind stdout, or 0.
size_t terminal_width();

}  // namespace penstock::cli
