// What the client commands share: asking the running instance, and reading its answers.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "event/json_fields.h"
#include "main/instance.h"

namespace penstock::cli {

/// The answer's body, or its error.
Result<std::string> call_admin(const Instance& instance, std::string method,
                               const std::string& path, std::string body = "");
/// A member as text: strings without their quotes, null and absent ones empty.
std::string text_of(const event::JsonFields& fields, std::string_view key);
/// The same of a whole number; 0: it is none.
int64_t number_of(const event::JsonFields& fields, std::string_view key);
/// Percent-encoded, for paths and queries.
std::string url_text(std::string_view text);

}  // namespace penstock::cli
