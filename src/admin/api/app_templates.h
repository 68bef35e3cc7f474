// AppTemplates: the apps that come with Penstock, as packages to start from.
//
// JavaScript ones lie in src/assets/apps and are linked into the binary; those in Hog are the hog
// room's stock transformations, with their tests from src/assets/apps. Read only, any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "catalog/app_manifest.h"

namespace penstock::admin {

struct AppTemplate {
  std::string id;  // "url-parser"
  catalog::AppManifest manifest;
};
/// By id.
const std::vector<AppTemplate>& app_template_list();
/// kNotFound: there is none of this id.
Result<catalog::AppFiles> app_template_files(std::string_view id);

}  // namespace penstock::admin
