// Packs a body the way a client does: for drivers whose input is the text inside.
#pragma once

#include <brotli/encode.h>
#include <zstd.h>

#include <string>

#include "fuzz/lz64.h"
#include "fuzz/zlib_coding.h"

namespace penstock::fuzz {

enum class Packing : uint8_t { kNone, kGzip, kDeflate, kBrotli, kZstd, kLz64, kBase64, kForm };
inline constexpr size_t kPackings = 8;

inline std::string percent_of(std::string_view text) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<uint8_t>(c);
    out += {'%', kHex[byte >> 4], kHex[byte & 15]};
  }
  return out;
}

inline std::string packed(Packing packing, std::string_view text) {
  switch (packing) {
    case Packing::kNone: break;
    case Packing::kGzip: return zlib_pack(Wrapping::kGzip, text, Choices("\1"));
    case Packing::kDeflate:
      return zlib_pack(Wrapping::kZlib, text, Choices(std::string_view("\6\6", 2)));
    case Packing::kBrotli: {
      std::string out(BrotliEncoderMaxCompressedSize(text.size()) + 64, '\0');
      size_t size = out.size();
      BrotliEncoderCompress(1, 18, BROTLI_MODE_GENERIC, text.size(),
                            reinterpret_cast<const uint8_t*>(text.data()), &size,
                            reinterpret_cast<uint8_t*>(out.data()));
      out.resize(size);
      return out;
    }
    case Packing::kZstd: {
      std::string out(ZSTD_compressBound(text.size()), '\0');
      out.resize(ZSTD_compress(out.data(), out.size(), text.data(), text.size(), 1));
      return out;
    }
    case Packing::kLz64: return Lz64Writer().pack(text.substr(0, 4096));
    case Packing::kBase64: return base64_of(text);
    case Packing::kForm: return "data=" + percent_of(base64_of(text));
  }
  return std::string(text);
}

}  // namespace penstock::fuzz
