#include "capture/decode/body.h"

#include <simdjson.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "capture/decode/surrogates.h"
#include "wire/http.h"

namespace penstock::capture {
namespace {

constexpr size_t kLookBytes = 128;
constexpr int64_t kYear2021Ms = 1'609'459'200'000;
constexpr size_t kKeptBytes = 256U << 10;

Refusal refuse(int status, std::string_view tag, std::string message) {
  return {status, tag, std::move(message)};
}

bool is_form_like(std::string_view raw) {
  constexpr std::array<std::string_view, 5> kStarts{"data=", "ver=", "_=", "ip=", "compression="};
  for (const std::string_view s : kStarts) {
    if (raw.starts_with(s)) return true;
  }
  // Newer servers also look for a later field in the first bytes (project_id=1&data=…).
  constexpr std::array<std::string_view, 4> kInside{"&data=", "&_=", "&ip=", "&compression="};
  const std::string_view head = raw.substr(0, kLookBytes);
  const size_t brace = head.find_first_of("{[\"");
  for (const std::string_view s : kInside) {
    const size_t at = head.find(s);
    // Inside JSON text the same letters are only text.
    if (at != std::string_view::npos && (brace == std::string_view::npos || at < brace))
      return true;
  }
  return false;
}

bool is_base64_char(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' ||
         c == '/' || c == '=';
}

bool looks_base64(std::string_view text, bool spaces) {
  if (text.empty() || text.size() % 4 != 0) return false;
  const std::string_view head = text.substr(0, kLookBytes);
  return std::all_of(head.begin(), head.end(),
                     [spaces](char c) { return is_base64_char(c) || (spaces && c == ' '); });
}

bool read_integer(std::string_view text, int64_t& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size() && !text.empty();
}

bool is_utf8(std::string_view text) { return simdjson::validate_utf8(text.data(), text.size()); }

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return out;
}

}  // namespace

std::optional<BodyDecoder::Compression> BodyDecoder::compression_named(std::string_view name,
                                                                       bool any_case) {
  const std::string n = any_case ? lower(name) : std::string(name);
  if (n == "gzip" || n == "gzip-js") return Compression::kGzip;
  if (n == "lz64" || n == "lz-string") return Compression::kLz64;
  if (n == "base64" || n == "b64") return Compression::kBase64;
  return std::nullopt;
}

std::expected<std::string_view, Refusal> BodyDecoder::unwrap_form(
    std::string_view raw, std::optional<Compression>& hint) {
  if (!is_form_like(raw)) {
    return std::unexpected(
        refuse(400, "invalid_form", "a form body needs a data field: data=<JSON or base64>"));
  }
  std::string value;
  if (wire::query_param(raw, "compression", value)) {
    if (const auto named = compression_named(value, true)) hint = named;
  }
  form_data_.clear();
  if (!wire::query_param(raw, "data", form_data_)) {
    return std::unexpected(refuse(400, "invalid_form", "the form has no data field"));
  }
  if (looks_base64(form_data_, true)) std::replace(form_data_.begin(), form_data_.end(), ' ', '+');
  return std::string_view(form_data_);
}

std::expected<std::string_view, Refusal> BodyDecoder::decompress(std::string_view raw,
                                                                 Compression hint,
                                                                 size_t bytes_max) {
  const auto too_large = [] {
    return refuse(413, "payload_too_large", "the decompressed body is too large");
  };
  const bool gzip = raw.starts_with("\x1f\x8b\x08") || hint == Compression::kGzip;
  if (gzip || hint == Compression::kLz64) {
    const Status done =
        gzip ? inflater_.gunzip(raw, plain_, bytes_max) : wire::lz64_decode(raw, plain_, bytes_max);
    if (!done && done.error().code == Code::kExhausted) return std::unexpected(too_large());
    if (!done) {
      return std::unexpected(
          refuse(400, gzip ? "invalid_gzip" : "invalid_lz64", done.error().message));
    }
    return plain_.view();
  }
  if (raw.size() > bytes_max) return std::unexpected(too_large());
  return raw;
}

std::expected<DecodedBody, Refusal> BodyDecoder::decode(const BodyInput& in) {
  DecodedBody out;
  std::optional<Compression> hint;
  last_text_ = {};
  query_data_.clear();
  if (!in.query.empty()) {
    std::string value;
    for (const char* name : {"_", "sent_at"}) {
      if (!wire::query_param(in.query, name, value) || value.empty()) continue;
      int64_t ms = 0;
      if (!read_integer(value, ms)) {
        return std::unexpected(refuse(400, "invalid_query",
                                      std::string("the query's ") + name + " is not an integer"));
      }
      if (ms >= kYear2021Ms) out.sent_at_ms = ms;
    }
    int64_t beacon = 0;
    if (wire::query_param(in.query, "beacon", value) && !read_integer(value, beacon)) {
      return std::unexpected(refuse(400, "invalid_query", "the query's beacon is not an integer"));
    }
    out.beacon = beacon == 1;
    if (wire::query_param(in.query, "compression", value)) hint = compression_named(value, true);
    wire::query_param(in.query, "data", query_data_);
  }
  std::string_view raw = query_data_.empty() ? in.body->view() : std::string_view(query_data_);
  if (raw.empty()) return std::unexpected(refuse(400, "empty_body", "the request has no body"));
  last_text_ = raw;
  // lz64 is base64 of its own kind: its text goes to the decompressor as it came.
  const auto is_lz64 = [&] {
    return hint.or_else([&] { return compression_named(in.content_encoding, false); }) ==
           Compression::kLz64;
  };
  if (!is_form_like(raw) && !is_lz64() && looks_base64(raw, false) &&
      wire::base64_decode(raw, unbased_)) {
    raw = unbased_;
  }
  if (in.content_type == "application/x-www-form-urlencoded") {
    std::optional<Compression> from_form = hint;
    auto data = unwrap_form(raw, from_form);
    if (!data) return std::unexpected(data.error());
    raw = *data;
    if (!hint) hint = from_form;
    if (!is_lz64() && looks_base64(raw, false) && wire::base64_decode(raw, unbased_)) {
      raw = unbased_;
    }
  }
  if (!hint) hint = compression_named(in.content_encoding, false);
  last_text_ = raw;
  auto text = decompress(raw, hint.value_or(Compression::kNone), in.decoded_bytes_max);
  if (!text) return std::unexpected(text.error());
  last_text_ = *text;
  if (!is_utf8(*text)) {
    const bool from_base64 = text->data() == unbased_.data();
    if (from_base64) {
      join_surrogates(unbased_);
      text = std::string_view(unbased_);
    }
    if (!from_base64 || !is_utf8(*text)) {
      return std::unexpected(refuse(400, "invalid_utf8", "the body is not UTF-8"));
    }
  }
  if (in.legacy_path && looks_base64(*text, false)) {
    std::string once_more;
    if (wire::base64_decode(*text, once_more)) {
      if (!is_utf8(once_more)) join_surrogates(once_more);
      if (is_utf8(once_more)) {
        unbased_ = std::move(once_more);
        text = std::string_view(unbased_);
      }
    }
  }
  out.text = *text;
  last_text_ = *text;
  return out;
}

void BodyDecoder::trim() {
  plain_.trim(kKeptBytes);
  if (unbased_.capacity() > kKeptBytes) unbased_ = std::string();
  if (form_data_.capacity() > kKeptBytes) form_data_ = std::string();
  if (query_data_.capacity() > kKeptBytes) query_data_ = std::string();
}

}  // namespace penstock::capture
