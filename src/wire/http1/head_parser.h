// HeadParser: llhttp over one connection, request by request.
//
// `parse_head` is given a whole request head (it ends with an empty line); `parse_body` what
// follows, in any pieces. Strict mode: both smuggling forms (Content-Length with Transfer-Encoding,
// two Content-Lengths) are errors. Views in `head` point into the text given to `parse_head`.
#pragma once

#include <llhttp.h>

#include <string_view>
#include <vector>

#include "base/padded.h"

namespace penstock::wire {

struct Head {
  std::string_view method, target;
  std::vector<std::pair<std::string_view, std::string_view>> headers;
  bool keep_alive = true;
  bool has_length = false;
  uint64_t content_length = 0;
  bool chunked = false;
  bool expects_continue = false;
};

class HeadParser {
 public:
  HeadParser();
  HeadParser(const HeadParser&) = delete;
  HeadParser& operator=(const HeadParser&) = delete;

  /// Ready for the next request.
  void reset();
  /// False: malformed. Afterwards `head` is filled and `complete()` says whether a body follows.
  bool parse_head(std::string_view text, size_t headers_max, Head& head);
  /// Takes body bytes: appends what it decodes to `body` while it fits `keep_max`, counts the rest.
  /// Answers how many bytes of `text` it used; false: malformed.
  bool parse_body(std::string_view text, PaddedBuffer& body, size_t keep_max, size_t& used);

  bool complete() const { return complete_; }
  bool overflowed() const { return body_seen_ > keep_max_; }
  uint64_t body_seen() const { return body_seen_; }
  bool too_many_headers() const { return too_many_headers_; }

 private:
  static int on_url(llhttp_t* p, const char* at, size_t n);
  static int on_field(llhttp_t* p, const char* at, size_t n);
  static int on_value(llhttp_t* p, const char* at, size_t n);
  static int on_headers_complete(llhttp_t* p);
  static int on_body(llhttp_t* p, const char* at, size_t n);
  static int on_complete(llhttp_t* p);
  bool execute(std::string_view text, size_t& used);

  llhttp_t parser_;
  llhttp_settings_t settings_;
  Head* head_ = nullptr;
  PaddedBuffer* body_ = nullptr;
  size_t keep_max_ = 0, headers_max_ = 0;
  uint64_t body_seen_ = 0;
  bool complete_ = false, too_many_headers_ = false;
};

}  // namespace penstock::wire
