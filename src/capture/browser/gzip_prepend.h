// Puts text before the content of a gzip file without inflating or compressing it.
//
// The text goes in as stored blocks ahead of the file's own deflate stream, one gzip member in all:
// browsers read only the first member. What makes a project's bundle cost a copy. Pure; any thread.
#pragma once

#include <string>
#include <string_view>

namespace penstock::capture {

/// `gzip` must be one member without optional header fields, as tools/pack_assets.py writes it.
std::string gzip_prepend(std::string_view text, std::string_view gzip);

}  // namespace penstock::capture
