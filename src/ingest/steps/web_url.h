// Rewriting the address of a web page as browsers do (the WHATWG URL standard, where it matters).
//
// Enough of the standard for addresses that browsers themselves wrote: scheme and host in lower
// case, the default port left out, dot segments resolved, what may not stand in a part
// percent-encoded. Hosts outside ASCII are kept as they are. Pure functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace penstock::ingest {

/// `url` with another path, as `new URL(url)` with its pathname set prints itself; nullopt when
/// `url` is none. An address without a hierarchy ("about:blank") keeps its path.
std::optional<std::string> with_path(std::string_view url, std::string_view path);

}  // namespace penstock::ingest
