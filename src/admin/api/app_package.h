// Reading an app's files out of what was uploaded: JSON, a zip or a tar.gz.
//
// Pure functions; every size is bounded before memory is taken for it.
#pragma once

#include <string_view>

#include "base/result.h"
#include "catalog/app_manifest.h"

namespace penstock::admin {

/// {"index.js":"…",…}
Result<catalog::AppFiles> files_of_json(std::string_view object);
/// A zip (stored or deflated entries) or a gzipped tar, told apart by their first bytes.
Result<catalog::AppFiles> files_of_archive(std::string_view bytes);
Result<std::string> decode_base64(std::string_view text);

}  // namespace penstock::admin
