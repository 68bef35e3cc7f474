// The arithmetic behind apps' `crypto`: hashes, ciphers, signatures and keys from passwords.
#pragma once

#include "apps/script/js.h"

namespace penstock::apps {

/// Adds hash, hmac, cipher, sign, verify and derive to an object that only the prelude sees. All
/// take and answer ArrayBuffers, throw what Node's `crypto` throws, and are bounded in their cost:
/// an app cannot be stopped while they run.
void add_crypto(JSContext* context, JSValue object);

}  // namespace penstock::apps
