// Files that are linked into the binary: the web UI, posthog-js's browser bundles, the apps that
// come with Penstock, and the scripts that app workers run.
//
// Packed by tools/pack_assets.py, the UI from web/dist, the bundles from the pinned posthog-js
// package, the apps from src/assets/apps. Read only, any thread.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

namespace penstock::assets {

struct Asset {
  std::string_view path;  // "/assets/index-3f2a.js", "/static/array.js"
  std::string_view content_type;
  std::string_view bytes;  // empty for bundles, which are kept packed only
  std::string_view gzip;   // empty when it would not be smaller
};

/// A file of the web UI; null when there is none of that path.
const Asset* find_web(std::string_view path);
size_t web_count();

/// A posthog-js bundle by its unversioned path; null for what the package does not have.
const Asset* find_sdk(std::string_view path);
/// The files of all apps, as "/url-parser/index.js".
const std::vector<Asset>& app_files();
/// The bundles' version: "1.449.2".
std::string_view sdk_version();

/// A file of src/apps/js by its name (scripts, and the types of apps), or "sucrase.js"; empty when
/// there is none.
std::string_view find_script(std::string_view name);

}  // namespace penstock::assets
