// Entity tags and negotiated encodings of what browsers and SDKs cache.
//
// Pure functions; any thread.
#pragma once

#include <string>
#include <string_view>

namespace penstock::capture {

/// A weak tag of a text: W/"…".
std::string weak_etag(std::string_view text);
/// Whether an If-None-Match header names `tag`: weak, strong and bare forms, lists and *.
bool etag_matches(std::string_view if_none_match, std::string_view tag);
/// Whether an Accept-Encoding header takes gzip.
bool accepts_gzip(std::string_view accept_encoding);

}  // namespace penstock::capture
