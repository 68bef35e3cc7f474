// Answers in the admin API's form, and reading the small JSON bodies it takes.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/json_writer.h"
#include "base/result.h"
#include "event/json_fields.h"
#include "wire/http.h"

namespace penstock::admin {

/// The HTTP status of an error code (docs/ERRORS.md).
int status_of(Code code);

void reply_json(wire::Responder& responder, std::string body, int status = 200);
void reply_error(wire::Responder& responder, const Error& error);

/// A member of a JSON body as text; nullopt when absent or null; kInvalid when not a string.
Result<std::optional<std::string>> body_string(const event::JsonFields& body, std::string_view key);
Result<std::optional<int64_t>> body_integer(const event::JsonFields& body, std::string_view key);

/// ISO 8601 UTC.
std::string iso_time(int64_t ms);

}  // namespace penstock::admin
