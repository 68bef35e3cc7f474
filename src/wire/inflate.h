// Decompression of request bodies with a limit that holds while inflating.
//
// An Inflater keeps its state between calls so that small bodies cost no set-up; one per shard, not
// thread safe. kInvalid: the bytes are not that format (or truncated); kExhausted: the output would
// pass the limit (answered 413).
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/padded.h"
#include "base/result.h"

namespace penstock::wire {

/// What a Content-Encoding can name.
enum class Encoding : unsigned char { kGzip, kDeflate, kBrotli, kZstd };

/// "gzip", "deflate", "br" or "zstd" in any case.
std::optional<Encoding> encoding_named(std::string_view name);

class Inflater {
 public:
  Inflater();
  ~Inflater();
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;

  /// Decompresses into `out`, replacing its content; `out` grows to `bytes_max` at most. Deflate is
  /// zlib's when its first byte is 0x78 and raw otherwise. What follows the data is an error, but
  /// for gzip, which some clients pad.
  Status inflate(Encoding encoding, std::string_view in, PaddedBuffer& out, size_t bytes_max);

  /// Gunzips (all members) into `out`, replacing its content; `out` grows to `bytes_max` at most.
  Status gunzip(std::string_view in, PaddedBuffer& out, size_t bytes_max);

 private:
  Status undeflate(std::string_view in, PaddedBuffer& out, size_t bytes_max);
  Status unbrotli(std::string_view in, PaddedBuffer& out, size_t bytes_max);
  Status unzstd(std::string_view in, PaddedBuffer& out, size_t bytes_max);

  struct State;
  std::unique_ptr<State> state_;
};

/// lz-string's base64 variant to UTF-8 text (what `compression=lz64` carries).
Status lz64_decode(std::string_view in, PaddedBuffer& out, size_t bytes_max);

/// Standard base64 with padding; kInvalid on anything else.
Status base64_decode(std::string_view in, std::string& out);

}  // namespace penstock::wire
