#include "wire/http1/head_parser.h"

#include <strings.h>

namespace penstock::wire {
namespace {

HeadParser& self(llhttp_t* p) { return *static_cast<HeadParser*>(p->data); }

bool equals(std::string_view a, const char* b) {
  return a.size() == std::char_traits<char>::length(b) && strncasecmp(a.data(), b, a.size()) == 0;
}

}  // namespace

HeadParser::HeadParser() {
  llhttp_settings_init(&settings_);
  settings_.on_url = on_url;
  settings_.on_header_field = on_field;
  settings_.on_header_value = on_value;
  settings_.on_headers_complete = on_headers_complete;
  settings_.on_body = on_body;
  settings_.on_message_complete = on_complete;
  llhttp_init(&parser_, HTTP_REQUEST, &settings_);
  parser_.data = this;
}

void HeadParser::reset() {
  llhttp_init(&parser_, HTTP_REQUEST, &settings_);
  parser_.data = this;
  complete_ = too_many_headers_ = false;
  body_seen_ = 0;
}

int HeadParser::on_url(llhttp_t* p, const char* at, size_t n) {
  self(p).head_->target = {at, n};
  return 0;
}

int HeadParser::on_field(llhttp_t* p, const char* at, size_t n) {
  HeadParser& s = self(p);
  if (s.head_ == nullptr) return 0;  // trailers of a chunked body are read and ignored
  if (s.head_->headers.size() >= s.headers_max_) {
    s.too_many_headers_ = true;
    return HPE_USER;
  }
  s.head_->headers.emplace_back(std::string_view(at, n), std::string_view());
  return 0;
}

int HeadParser::on_value(llhttp_t* p, const char* at, size_t n) {
  HeadParser& s = self(p);
  if (s.head_ != nullptr && !s.head_->headers.empty()) s.head_->headers.back().second = {at, n};
  return 0;
}

int HeadParser::on_headers_complete(llhttp_t* p) {
  Head& head = *self(p).head_;
  const auto method = static_cast<llhttp_method_t>(llhttp_get_method(p));
  head.method = llhttp_method_name(method);
  head.keep_alive = llhttp_should_keep_alive(p) != 0;
  for (const auto& [name, value] : head.headers) {
    if (equals(name, "expect") && equals(value, "100-continue")) head.expects_continue = true;
    if (equals(name, "content-length")) head.has_length = true;
    if (equals(name, "transfer-encoding")) head.chunked = true;
  }
  head.content_length = head.has_length ? p->content_length : 0;
  return 0;
}

int HeadParser::on_body(llhttp_t* p, const char* at, size_t n) {
  HeadParser& s = self(p);
  s.body_seen_ += n;
  if (s.body_ != nullptr && s.body_seen_ <= s.keep_max_) s.body_->append({at, n});
  return 0;
}

int HeadParser::on_complete(llhttp_t* p) {
  self(p).complete_ = true;
  return HPE_PAUSED;
}

bool HeadParser::execute(std::string_view text, size_t& used) {
  const llhttp_errno_t code = llhttp_execute(&parser_, text.data(), text.size());
  used = text.size();
  if (code == HPE_OK) return true;
  if (code == HPE_PAUSED || code == HPE_PAUSED_UPGRADE) {
    used = static_cast<size_t>(llhttp_get_error_pos(&parser_) - text.data());
    complete_ = true;  // an upgrade we do not take is answered as a plain request
    return true;
  }
  return false;
}

bool HeadParser::parse_head(std::string_view text, size_t headers_max, Head& head) {
  // Emptied, but with its memory: a connection's next request has about as many headers.
  auto headers = std::move(head.headers);
  headers.clear();
  head = Head{};
  head.headers = std::move(headers);
  head_ = &head;
  body_ = nullptr;
  headers_max_ = headers_max;
  size_t used = 0;
  const bool ok = execute(text, used);
  head_ = nullptr;
  return ok && !head.method.empty() && used == text.size();
}

bool HeadParser::parse_body(std::string_view text, PaddedBuffer& body, size_t keep_max,
                            size_t& used) {
  body_ = &body;
  keep_max_ = keep_max;
  return execute(text, used);
}

}  // namespace penstock::wire
