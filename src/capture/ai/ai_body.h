// From a request of /i/v0/ai to the JSON text of its event.
//
// Its parts are `event` (JSON, first), at most one `event.properties` (JSON), and blobs named
// `event.properties.<path>`, which become that property: JSON as it is, text as a string, other
// bytes as a data: URL with their content type. An AiBody belongs to one shard; what it answers is
// valid until the next call.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "base/padded.h"
#include "capture/ai/multipart.h"
#include "capture/decode/refusal.h"
#include "capture/turn.h"
#include "event/json_fields.h"
#include "wire/http.h"
#include "wire/inflate.h"

namespace penstock::capture::ai {

class AiBody {
 public:
  /// `bytes_max`: of the body decompressed, and of all parts together after theirs.
  std::expected<std::string_view, Refusal> decode(const wire::Request& request, size_t bytes_max);
  /// What has been taken, as JSON: an array of name, length, content-type, content-encoding.
  const std::string& accepted_parts() const { return accepted_; }
  /// Gives large buffers back.
  void trim();

 private:
  std::expected<std::string_view, Refusal> unpack(std::string_view encoding, std::string_view data,
                                                  PaddedBuffer& out);
  std::expected<std::string, Refusal> blob_value(const Part& part, std::string_view data);
  /// A property that a part holds: what is left of its path, and its JSON value.
  struct Blob {
    std::string_view path, value;
  };
  static std::expected<void, Refusal> put(event::JsonFields& object, std::vector<Blob> blobs,
                                          size_t depth);
  std::expected<void, Refusal> take(const Part& part, std::string_view data);

  wire::Inflater inflater_;
  PaddedBuffer plain_, part_plain_;
  size_t bytes_max_ = 0, bytes_ = 0;
  std::string event_, properties_, accepted_, out_;
  std::vector<std::pair<std::string, std::string>> blobs_;  // path and JSON value
};

/// 200 with the parts that were taken, or v0's 503.
class PartsReply : public Reply {
 public:
  PartsReply(AnswerContext context, std::string parts)
      : context_(std::move(context)), parts_(std::move(parts)) {}
  void send(wire::Responder& responder, uint8_t failed_lanes) override;

 private:
  AnswerContext context_;
  std::string parts_;
};

}  // namespace penstock::capture::ai
