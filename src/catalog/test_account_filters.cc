#include "catalog/test_account_filters.h"

#include <fmt/format.h>

#include "base/json_writer.h"
#include "catalog/settings/reader.h"

namespace penstock::catalog {

using event::json_type;
using event::JsonType;

Result<std::string> parse_test_account_filters(std::string_view json) {
  constexpr SettingReader kRead("test_account_filters");
  if (json.size() > kTestAccountFiltersBytesMax) {
    return kRead.wrong("it", fmt::format("has up to {} bytes", kTestAccountFiltersBytesMax));
  }
  PENSTOCK_TRY(const auto fields, kRead.object(json, "the setting"));
  JsonWriter w;
  w.begin_array();
  for (const auto& [key, raw] : fields.fields()) {
    if (key != "filters") {
      return kRead.wrong("it", fmt::format("has no member {}; it holds filters", key));
    }
    PENSTOCK_TRY(const auto items, kRead.list(raw, "filters", kTestAccountFiltersMax));
    for (const std::string_view item : items) {
      PENSTOCK_TRY(const auto filter, kRead.object(item, "an entry of filters"));
      const auto name = filter.find("key");
      if (!name || json_type(*name) != JsonType::kString || *name == R"("")") {
        return kRead.wrong("an entry of filters", "has no key");
      }
      w.raw(item);
    }
  }
  return w.end_array().take();
}

}  // namespace penstock::catalog
