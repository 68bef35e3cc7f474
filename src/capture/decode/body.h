// From a request's query and bytes to JSON text: contract section 2, steps 1 to 7, in its order.
//
// A BodyDecoder belongs to one shard and keeps its buffers between requests. The text it answers is
// valid until the next call. Pure but for its buffers.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "base/padded.h"
#include "capture/decode/refusal.h"
#include "wire/inflate.h"

namespace penstock::capture {

struct BodyInput {
  std::string_view query;
  std::string_view content_type, content_encoding;
  PaddedBuffer* body = nullptr;
  size_t decoded_bytes_max = 0;
  bool legacy_path = false;  // /e, /capture, /engage, /track: base64 is tried once more
};

struct DecodedBody {
  std::string_view text;
  std::optional<int64_t> sent_at_ms;  // from the query
  bool beacon = false;
};

class BodyDecoder {
 public:
  std::expected<DecodedBody, Refusal> decode(const BodyInput& input);
  /// The text of the last call, complete or not, for finding uuids in what was refused.
  std::string_view last_text() const { return last_text_; }
  /// Gives large buffers back.
  void trim();

 private:
  enum class Compression : uint8_t { kNone, kGzip, kLz64, kBase64 };
  static std::optional<Compression> compression_named(std::string_view name, bool any_case);
  std::expected<std::string_view, Refusal> unwrap_form(std::string_view raw,
                                                       std::optional<Compression>& hint);
  std::expected<std::string_view, Refusal> decompress(std::string_view raw, Compression hint,
                                                      size_t bytes_max);

  wire::Inflater inflater_;
  PaddedBuffer plain_;
  std::string query_data_, unbased_, form_data_;
  std::string_view last_text_;
};

}  // namespace penstock::capture
