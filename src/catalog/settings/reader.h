// SettingReader: reads the JSON of one setting and says what is wrong in the words of its writer.
//
// Every answer that is an error is kInvalid and begins with the setting's name and the member it is
// about. Stateless; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "event/json_fields.h"

namespace penstock::catalog {

class SettingReader {
 public:
  constexpr explicit SettingReader(std::string_view setting) : setting_(setting) {}

  std::unexpected<Error> wrong(std::string_view where, std::string_view what) const;
  Result<event::JsonFields> object(std::string_view raw, std::string_view where) const;
  Result<std::vector<std::string_view>> list(std::string_view raw, std::string_view where,
                                             size_t count_max) const;
  Result<std::string> text(std::string_view raw, std::string_view where) const;
  Result<bool> boolean(std::string_view raw, std::string_view where) const;
  /// A whole number from min to max.
  Result<int64_t> whole(std::string_view raw, std::string_view where, int64_t min,
                        int64_t max) const;
  /// A number from 0 to 100, with or without decimals.
  Result<double> percentage(std::string_view raw, std::string_view where) const;

 private:
  std::string_view setting_;
};

inline bool is_null(std::string_view raw) {
  return event::json_type(raw) == event::JsonType::kNull;
}

}  // namespace penstock::catalog
