// Names of domains as they are asked for: lower case, and ASCII where they were written in letters
// of the world ("münchen.de" is "xn--mnchen-3ya.de").
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace penstock::apps {

/// As browsers read a host in a URL (UTS 46, nontransitional); nothing where they refuse it. Any
/// thread.
std::optional<std::string> domain_to_ascii(std::string_view name);

}  // namespace penstock::apps
