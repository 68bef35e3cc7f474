// What apps are written in becomes what the engine runs: types out, imports to require().
//
// sucrase and src/apps/js/typescript.js do it, in a runtime of its own that is gone afterwards.
// Pure but for that; takes tens of milliseconds, so answers are kept for the sources seen last. The
// worker's thread.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace penstock::apps {

/// Whether `source` needs it: TypeScript by its name, or with import or export statements.
bool needs_transpiling(std::string_view file, std::string_view source);
/// kInvalid: the message says where it cannot be read.
Result<std::string> transpile(std::string_view file, std::string_view source);

}  // namespace penstock::apps
