// URL and base64 encoding, hashes, identifiers.
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>
#include <optional>

#include "base/base64.h"
#include "hog/stl/functions.h"
#include "hog/values/compare.h"
#include "hog/values/text.h"

namespace penstock::hog::stl {
namespace {

constexpr std::string_view kHex = "0123456789abcdef";

std::string base64_url(std::string_view bytes) {
  std::string out = base64(bytes);
  while (out.ends_with('=')) out.pop_back();
  for (char& c : out) c = c == '+' ? '-' : c == '/' ? '_' : c;
  return out;
}

/// The byte of a %XX at `at`; nullopt: there is none.
std::optional<char> escaped_byte(std::string_view text, size_t at) {
  unsigned byte = 0;
  for (size_t j = 1; j <= 2; j++) {
    if (at + j >= text.size()) return std::nullopt;
    const char c = text[at + j];
    const size_t digit = kHex.find(static_cast<char>(c >= 'A' && c <= 'F' ? c + 32 : c));
    if (digit == std::string_view::npos) return std::nullopt;
    byte = byte * 16 + static_cast<unsigned>(digit);
  }
  return static_cast<char>(byte);
}

/// Escapes in a row must be UTF-8; other text may be anything.
std::optional<std::string> url_decoded(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size();) {
    if (text[i] != '%') {
      out += text[i++];
      continue;
    }
    std::string bytes;
    for (; i < text.size() && text[i] == '%'; i += 3) {
      const auto byte = escaped_byte(text, i);
      if (!byte) return std::nullopt;
      bytes += *byte;
    }
    if (decoded_utf8(bytes) != bytes) return std::nullopt;
    out += bytes;
  }
  return out;
}

const EVP_MD* algorithm(std::string_view name) {
  if (name.starts_with("md5")) return EVP_md5();
  return name.starts_with("sha1") ? EVP_sha1() : EVP_sha256();
}

std::string digest(const EVP_MD* how, std::string_view data) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> out{};
  unsigned size = 0;
  if (EVP_Digest(data.data(), data.size(), out.data(), &size, how, nullptr) != 1) {
    throw Failure{"This hash is not available"};
  }
  return {out.begin(), out.begin() + size};
}

std::string hmac(const EVP_MD* how, std::string_view key, std::string_view data) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> out{};
  unsigned size = 0;
  const auto* bytes = reinterpret_cast<const unsigned char*>(data.data());
  if (HMAC(how, key.data(), static_cast<int>(key.size()), bytes, data.size(), out.data(), &size) ==
      nullptr) {
    throw Failure{"This hash is not available"};
  }
  return {out.begin(), out.begin() + size};
}

Value encoded(Heap& heap, std::string_view bytes, std::string_view encoding) {
  std::string out;
  if (encoding == "hex") {
    for (const char c : bytes) {
      const auto byte = static_cast<unsigned char>(c);
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    }
  } else if (encoding == "base64") {
    out = base64(bytes);
  } else if (encoding == "base64url") {
    out = base64_url(bytes);
  } else if (encoding == "binary") {
    for (const char c : bytes) append_utf8(out, static_cast<unsigned char>(c));
  } else {
    throw Failure{"Encodings of hashes are hex, base64, base64url and binary"};
  }
  return heap.string(out);
}

std::string encoding_argument(Arguments args) {
  const Value given = argument(args, 1);
  if (given.is_nothing()) return "hex";
  return given.is_string() ? std::string(given.text()) : "?";
}

/// JavaScript strings become UTF-8 here; surrogates alone do not survive.
std::string bytes_of(std::string_view text) { return repaired_utf8(text); }

std::string chain(Heap& heap, Arguments args, std::string_view self) {
  if (!args[0].is(Kind::kArray)) throw Failure{"Function " + std::string(self) + " needs an array"};
  auto& parts = args[0].as<Array>();
  if (parts.size < 2) throw Failure{"Data array must contain at least two elements."};
  std::string key;
  for (size_t i = 0; i < parts.size; i++) {
    const Value part = heap.item(parts, i);
    if (!part.is_string()) throw Failure{"Function " + std::string(self) + " needs strings"};
    key = i == 0 ? bytes_of(part.text()) : hmac(algorithm(self), key, bytes_of(part.text()));
  }
  return key;
}

}  // namespace

Value encode_url(Context& context, Arguments args, std::string_view) {
  static constexpr std::string_view kPlain = "-_.!~*'()";
  const std::string text = to_js_string(context.heap, args[0]);
  if (repaired_utf8(text) != text) throw Failure{"URI malformed"};
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (letter || kPlain.find(c) != std::string_view::npos) {
      out += c;
    } else {
      out += '%';
      out += static_cast<char>(kHex[byte >> 4] >= 'a' ? kHex[byte >> 4] - 32 : kHex[byte >> 4]);
      out += static_cast<char>(kHex[byte & 15] >= 'a' ? kHex[byte & 15] - 32 : kHex[byte & 15]);
    }
  }
  return context.heap.string(out);
}

Value decode_url(Context& context, Arguments args, std::string_view) {
  const auto out = url_decoded(to_js_string(context.heap, args[0]));
  if (!out) throw Failure{"URI malformed"};
  return context.heap.string(*out);
}

Value try_decode_url(Context& context, Arguments args, std::string_view) {
  const auto out = url_decoded(to_js_string(context.heap, args[0]));
  return out ? context.heap.string(*out) : Value();
}

Value base64_encode(Context& context, Arguments args, std::string_view self) {
  return context.heap.string(base64(bytes_of(text_argument(args, 0, self))));
}

Value base64_decode(Context& context, Arguments args, std::string_view self) {
  return context.heap.string(decoded_utf8(unbase64(text_argument(args, 0, self))));
}

Value try_base64_decode(Context& context, Arguments args, std::string_view) {
  if (!args[0].is_string()) return context.heap.borrowed("");
  return context.heap.string(decoded_utf8(unbase64(args[0].text())));
}

Value hash(Context& context, Arguments args, std::string_view self) {
  if (args[0].is_null()) return {};
  return encoded(context.heap, digest(algorithm(self), bytes_of(text_argument(args, 0, self))),
                 encoding_argument(args));
}

Value hash_hex(Context& context, Arguments args, std::string_view self) {
  return hash(context, args.first(1), self);
}

Value hmac_chain(Context& context, Arguments args, std::string_view self) {
  return encoded(context.heap, chain(context.heap, args, self), encoding_argument(args));
}

Value hmac_chain_hex(Context& context, Arguments args, std::string_view self) {
  return hmac_chain(context, args.first(1), self);
}

Value uuid_v4(Context& context, Arguments, std::string_view) {
  static constexpr std::string_view kShape = "xxxxxxxx-xxxx-4xxx-yxxx-xxxxxxxxxxxx";
  std::string out;
  for (const char c : kShape) {
    if (c != 'x' && c != 'y') {
      out += c;
      continue;
    }
    const auto digit = static_cast<unsigned>(context.host->random() * 16) & 15U;
    out += kHex[c == 'x' ? digit : (digit & 3) | 8];
  }
  return context.heap.string(out);
}

}  // namespace penstock::hog::stl
