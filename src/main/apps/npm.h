// A package of an npm registry, as the archive that the registry serves.
//
// Blocking; from a pool job. Asks the registry for name@version, fetches the archive that it names
// and believes it only when its sha512 is what the registry says. No redirect is followed and
// nothing of the package is run.
#pragma once

#include <string>

#include "base/result.h"

namespace penstock::cli {

/// `package` is "name@version" or "@scope/name@version". kInvalid: it is neither, or the archive
/// is not what the registry describes; kNotFound: there is no such version.
Result<std::string> fetch_npm(const std::string& registry, const std::string& package);

}  // namespace penstock::cli
