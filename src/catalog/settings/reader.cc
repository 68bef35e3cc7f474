#include "catalog/settings/reader.h"

#include <fmt/format.h>

#include <charconv>

namespace penstock::catalog {

using event::JsonType;

std::unexpected<Error> SettingReader::wrong(std::string_view where, std::string_view what) const {
  return fail(Code::kInvalid, fmt::format("{}: {} {}", setting_, where, what));
}

Result<event::JsonFields> SettingReader::object(std::string_view raw,
                                                std::string_view where) const {
  auto fields = event::JsonFields::parse(raw);
  if (!fields) return wrong(where, "is not an object");
  return fields;
}

Result<std::vector<std::string_view>> SettingReader::list(std::string_view raw,
                                                          std::string_view where,
                                                          size_t count_max) const {
  if (event::json_type(raw) != JsonType::kArray) return wrong(where, "is not a list");
  auto items = event::split_array(raw);
  if (!items) return wrong(where, "is not a list");
  if (items->size() > count_max) {
    return wrong(where, fmt::format("has more than {} entries", count_max));
  }
  return items;
}

Result<std::string> SettingReader::text(std::string_view raw, std::string_view where) const {
  if (event::json_type(raw) != JsonType::kString) return wrong(where, "is not a string");
  return event::decode_string(raw);
}

Result<bool> SettingReader::boolean(std::string_view raw, std::string_view where) const {
  if (event::json_type(raw) != JsonType::kBool) return wrong(where, "is neither true nor false");
  return raw == "true";
}

Result<int64_t> SettingReader::whole(std::string_view raw, std::string_view where, int64_t min,
                                     int64_t max) const {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(raw.data(), raw.data() + raw.size(), value);
  if (error != std::errc() || end != raw.data() + raw.size() || value < min || value > max) {
    return wrong(where, fmt::format("is not a whole number from {} to {}", min, max));
  }
  return value;
}

Result<double> SettingReader::percentage(std::string_view raw, std::string_view where) const {
  double value = 0;
  const auto [end, error] = std::from_chars(raw.data(), raw.data() + raw.size(), value);
  const bool number = error == std::errc() && end == raw.data() + raw.size();
  if (!number || !(value >= 0 && value <= 100))
    return wrong(where, "is not a number from 0 to 100");
  return value;
}

}  // namespace penstock::catalog
