#include "catalog/merge_settings.h"

#include <fmt/format.h>

#include "catalog/settings/reader.h"

namespace penstock::catalog {
namespace {

Result<MergeGuard> parse_guard(const SettingReader& read, std::string_view raw,
                               std::string_view where) {
  PENSTOCK_TRY(const std::string text, read.text(raw, where));
  if (text == "warn") return MergeGuard::kWarn;
  if (text == "refuse") return MergeGuard::kRefuse;
  return read.wrong(where, R"(is neither "warn" nor "refuse")");
}

}  // namespace

Result<MergeSettings> parse_merges(std::string_view json) {
  constexpr SettingReader kRead("merges");
  PENSTOCK_TRY(const auto members, kRead.object(json, "it"));
  MergeSettings out;
  for (const event::JsonFields::Field& f : members.fields()) {
    if (f.key == "too_many_ids") {
      PENSTOCK_TRY(out.too_many_ids, parse_guard(kRead, f.value, f.key));
    } else if (f.key == "identified_into_identified") {
      PENSTOCK_TRY(out.identified_into_identified, parse_guard(kRead, f.value, f.key));
    } else if (f.key == "shared_device") {
      PENSTOCK_TRY(out.shared_device, parse_guard(kRead, f.value, f.key));
    } else if (f.key == "ids_max") {
      PENSTOCK_TRY(out.ids_max, kRead.whole(f.value, f.key, 1, kMovedIdsMax));
    } else {
      return kRead.wrong(f.key,
                         "is unknown; the members are too_many_ids, ids_max, "
                         "identified_into_identified and shared_device");
    }
  }
  return out;
}

}  // namespace penstock::catalog
