// Secrets: making, hashing and comparing tokens, keys and passwords, with OpenSSL's primitives.
//
// Random secrets (keys, sessions, login links) are stored as SHA-256; passwords as scrypt with a
// salt of their own. Nothing here keeps or prints a secret. Pure functions; any thread.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "runtime/runtime.h"

namespace penstock::catalog {

/// `prefix` and 43 letters and digits: 256 bits of randomness.
std::string make_secret(runtime::Random& random, std::string_view prefix);
/// Lower-case hex SHA-256.
std::string hash_secret(std::string_view secret);
/// "scrypt$<salt hex>$<key hex>".
Result<std::string> hash_password(runtime::Random& random, std::string_view password);
bool password_matches(std::string_view stored, std::string_view password);

}  // namespace penstock::catalog
