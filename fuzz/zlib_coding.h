// gzip and deflate for the drivers of compressions: packed by zlib, which the product does not
// unpack with, in every strategy and with every optional part of a gzip header.
#pragma once

#include <zlib.h>

#include "fuzz/inflate.h"

namespace penstock::fuzz {

enum class Wrapping : uint8_t { kRaw, kZlib, kGzip };

inline int window_bits(Wrapping wrapping, int bits) {
  if (wrapping == Wrapping::kRaw) return -bits;
  return wrapping == Wrapping::kGzip ? bits + 16 : bits;
}

inline std::string zlib_pack(Wrapping wrapping, std::string_view text, Choices c) {
  z_stream z{};
  const auto level = static_cast<int>(c.below(10));
  const int bits = 9 + static_cast<int>(c.below(7));
  const auto strategy = static_cast<int>(c.below(5));  // Z_DEFAULT_STRATEGY … Z_FIXED
  hold(deflateInit2(&z, level, Z_DEFLATED, window_bits(wrapping, bits),
                    1 + static_cast<int>(c.below(9)), strategy) == Z_OK,
       "zlib takes these settings");
  std::array<Bytef, 9> extra{'A', 'B', 5, 0, 1, 2, 3, 4, 5};
  std::array<Bytef, 5> name{'n', 'a', 'm', 'e', 0};
  gz_header header{};
  const uint8_t parts = c.byte();
  if ((parts & 1) != 0) header.extra = extra.data();
  header.extra_len = extra.size();
  if ((parts & 2) != 0) header.name = name.data();
  if ((parts & 4) != 0) header.comment = name.data();
  header.hcrc = (parts & 8) != 0 ? 1 : 0;
  if (wrapping == Wrapping::kGzip) deflateSetHeader(&z, &header);
  std::string out(deflateBound(&z, text.size()) + 64, '\0');
  std::string in(text);
  z.next_in = reinterpret_cast<Bytef*>(in.data());
  z.avail_in = static_cast<uInt>(in.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data());
  z.avail_out = static_cast<uInt>(out.size());
  hold(deflate(&z, Z_FINISH) == Z_STREAM_END, "zlib packs");
  out.resize(z.total_out);
  deflateEnd(&z);
  return out;
}

/// The text of all members, nothing when zlib finds fault: it also looks at a gzip header's sum.
inline std::optional<std::string> zlib_unpack(Wrapping wrapping, std::string_view packed,
                                              size_t bytes) {
  constexpr size_t kGzipMin = 18;  // less behind a member is padding
  std::string out(bytes + 1, '\0'), in(packed);
  z_stream z{};
  hold(inflateInit2(&z, window_bits(wrapping, 15)) == Z_OK, "zlib begins");
  z.next_in = reinterpret_cast<Bytef*>(in.data());
  z.avail_in = static_cast<uInt>(in.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data());
  z.avail_out = static_cast<uInt>(out.size());
  int code = inflate(&z, Z_FINISH);
  while (code == Z_STREAM_END && wrapping == Wrapping::kGzip && z.avail_in >= kGzipMin &&
         z.next_in[0] == 0x1f && z.next_in[1] == 0x8b) {
    inflateReset(&z);
    code = inflate(&z, Z_FINISH);
  }
  out.resize(out.size() - z.avail_out);
  inflateEnd(&z);
  if (code != Z_STREAM_END) return std::nullopt;
  return out;
}

}  // namespace penstock::fuzz
