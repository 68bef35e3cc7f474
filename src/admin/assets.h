// The web UI's files, built once at set-up and linked into the binary.
//
// Packed by tools/pack_web.py from web/dist; text files carry a gzip copy. Read only, any thread.
#pragma once

#include <cstddef>
#include <string_view>

namespace penstock::admin {

struct Asset {
  std::string_view path;  // "/assets/index-3f2a.js"
  std::string_view content_type;
  std::string_view bytes;
  std::string_view gzip;  // empty when it would not be smaller
};

/// Null when there is none of that path.
const Asset* find_asset(std::string_view path);
size_t asset_count();

}  // namespace penstock::admin
