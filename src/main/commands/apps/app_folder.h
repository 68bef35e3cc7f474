// AppFolder: an app as its author has it on disk: making one, reading it, its fixtures.
//
// A fixture is a JSON file below tests/: {"name", "config"?, "event", "expect"}; `expect` is
// "dropped", "unchanged", or what must be in the event afterwards, with "unset" for properties that
// must be gone. Errors are sentences for the author.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "catalog/app_manifest.h"

namespace penstock::cli {

struct AppFixture {
  std::string path, name;
  std::string config = "{}", event = "{}", expect = "{}";  // JSON
  int64_t cpu_us_max = 0;                                  // 0: not asked
};

Result<catalog::AppFiles> read_app_folder(const std::string& folder);
/// By its name: .zip, .tar.gz or .tgz.
bool is_app_archive(std::string_view path);
/// Its bytes as they are: what unpacks them stands behind the admin API.
Result<std::string> read_app_archive(const std::string& path);
Result<std::vector<AppFixture>> fixtures_of(const catalog::AppFiles& files);
/// `answer` is what the admin API says of a test; a sentence per difference, none: it passed.
std::vector<std::string> differences(const AppFixture& fixture, std::string_view answer);
/// Files of a new app in `language` (js, ts, hog); kInvalid: there is no such language.
Result<catalog::AppFiles> new_app_files(std::string_view language, const std::string& name);
Status write_app_folder(const std::string& folder, const catalog::AppFiles& files);

}  // namespace penstock::cli
