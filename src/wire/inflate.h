// Decompression of request bodies with a limit that holds while inflating.
//
// An Inflater keeps its state between calls so that small bodies cost no set-up; one per shard, not
// thread safe. kInvalid: the bytes are not that format (or truncated); kExhausted: the output would
// pass the limit (answered 413).
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "base/padded.h"
#include "base/result.h"

namespace penstock::wire {

class Inflater {
 public:
  Inflater();
  ~Inflater();
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;

  /// Gunzips (all members) into `out`, replacing its content; `out` grows to `bytes_max` at most.
  Status gunzip(std::string_view in, PaddedBuffer& out, size_t bytes_max);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// lz-string's base64 variant to UTF-8 text (what `compression=lz64` carries).
Status lz64_decode(std::string_view in, PaddedBuffer& out, size_t bytes_max);

/// Standard base64 with padding; kInvalid on anything else.
Status base64_decode(std::string_view in, std::string& out);

}  // namespace penstock::wire
