#include "main/commands/api.h"

#include <fmt/format.h>

#include <charconv>

#include "main/http_client.h"

namespace penstock::cli {

Result<std::string> call_admin(const Instance& instance, std::string method,
                               const std::string& path, std::string body) {
  HttpCall call = admin_call(instance, path);
  call.method = std::move(method);
  call.body = std::move(body);
  return admin_body(http(call));
}

std::string text_of(const event::JsonFields& fields, std::string_view key) {
  const auto raw = fields.find(key);
  if (!raw || *raw == "null") return {};
  return raw->starts_with('"') ? event::decode_string(*raw) : std::string(*raw);
}

int64_t number_of(const event::JsonFields& fields, std::string_view key) {
  const std::string text = text_of(fields, key);
  int64_t out = 0;
  std::from_chars(text.data(), text.data() + text.size(), out);
  return out;
}

std::string url_text(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (plain) {
      out += c;
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

}  // namespace penstock::cli
