// SipHash-2-4 with a result of 16 bytes: a keyed hash for short texts that nobody can turn back
// without the key.
//
// As in the authors' reference, bytes in its order. Pure function, any thread.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace penstock {

using SipBytes = std::array<uint8_t, 16>;

SipBytes siphash128(const SipBytes& key, std::string_view data);

}  // namespace penstock
