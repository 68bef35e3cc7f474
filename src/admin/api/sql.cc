#include "admin/api/sql.h"

#include <charconv>

#include "event/json_fields.h"

namespace penstock::admin {

std::string sql_text(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\0') {
      out += "\\0";
      continue;
    }
    if (c == '\'' || c == '\\') out += '\\';
    out += c;
  }
  return out + "'";
}

Result<std::vector<Cells>> rows_of(const store::QueryResult& result) {
  PENSTOCK_TRY(const auto fields, event::JsonFields::parse(result.body));
  PENSTOCK_TRY(const auto rows, event::split_array(fields.find("data").value_or("[]")));
  std::vector<Cells> out;
  out.reserve(rows.size());
  for (const std::string_view row : rows) {
    PENSTOCK_TRY(auto cells, event::split_array(row));
    out.push_back(std::move(cells));
  }
  return out;
}

std::string_view unquoted(std::string_view cell) {
  if (cell.size() >= 2 && cell.front() == '"') return cell.substr(1, cell.size() - 2);
  return cell;
}

int64_t cell_number(std::string_view cell) {
  const std::string_view digits = unquoted(cell);
  int64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  return error == std::errc() && end == digits.data() + digits.size() ? value : 0;
}

}  // namespace penstock::admin
