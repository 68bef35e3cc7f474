#include "store/result_rows.h"

#include <charconv>

#include "event/json_fields.h"

namespace penstock::store {

Result<std::vector<Cells>> rows_of(const QueryResult& result) {
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

std::string cell_text(std::string_view cell) {
  return cell.starts_with('"') ? event::decode_string(cell) : std::string(cell);
}

event::EventRow StoredEvent::row() const {
  event::EventRow out;
  out.event = event;
  out.properties = properties;
  out.timestamp_ms = timestamp_us / 1000;
  out.distinct_id = distinct_id;
  out.elements_chain = elements_chain;
  out.person_id = person_id;
  out.person_properties = person_properties;
  out.person_created_at_ms = person_created_at_ms;
  if (propertyless) out.person_mode = event::PersonMode::kPropertyless;
  return out;
}

Result<StoredEvent> stored_event(const Cells& cells) {
  if (cells.size() != 10) return fail(Code::kCorrupt, "the store answers other columns");
  const auto uuid = Uuid::parse(unquoted(cells[0])), person = Uuid::parse(unquoted(cells[6]));
  if (!uuid || !person) return fail(Code::kCorrupt, "the store answers no uuid");
  StoredEvent out;
  out.uuid = *uuid;
  out.event = cell_text(cells[1]);
  out.distinct_id = cell_text(cells[2]);
  out.timestamp_us = cell_number(cells[3]);
  out.properties = cell_text(cells[4]);
  out.elements_chain = cell_text(cells[5]);
  out.person_id = *person;
  out.person_properties = cell_text(cells[7]);
  out.propertyless = unquoted(cells[8]) == "propertyless";
  out.person_created_at_ms = cell_number(cells[9]);
  return out;
}

}  // namespace penstock::store
