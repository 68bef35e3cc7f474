// json_hash: a hash of what a JSON value says, not of how it is spelled.
//
// Members in any order, white space, escapes and the spelling of numbers make no difference, so
// that an event which a client wrote down, read again and sent anew is recognised. Kept in the
// ledger's index and in `processed`: a change of the function needs a new record version. Pure
// functions.
#pragma once

#include <cstdint>
#include <string_view>

namespace penstock::event {

/// `raw` is one validated JSON value of depth at most kJsonDepthMax.
uint64_t json_hash(std::string_view raw);
/// Of a member; those of an object are added up.
uint64_t json_member_hash(std::string_view key, std::string_view raw);

}  // namespace penstock::event
