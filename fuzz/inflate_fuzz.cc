// Decompression: any bytes in any encoding give the exact text or an error, within the limit; a
// used Inflater answers as a fresh one does.
//
// Input: one byte for the encoding, one for the limit, the compressed bytes. The mutator works on
// the text inside as well as on the bytes.
#include <brotli/encode.h>
#include <libdeflate.h>
#include <zstd.h>

#include "fuzz/fuzz.h"
#include "wire/inflate.h"

namespace penstock::fuzz {
namespace {

enum Coding : uint8_t { kGzip, kZlib, kRawDeflate, kBrotli, kZstd, kLz64, kBase64, kCodings };

constexpr size_t kTextBytesMax = 1U << 20;

Status decode(wire::Inflater& inflater, Coding coding, std::string_view in, PaddedBuffer& out,
              size_t bytes_max) {
  switch (coding) {
    case kGzip: return inflater.inflate(wire::Encoding::kGzip, in, out, bytes_max);
    case kZlib:
    case kRawDeflate: return inflater.inflate(wire::Encoding::kDeflate, in, out, bytes_max);
    case kBrotli: return inflater.inflate(wire::Encoding::kBrotli, in, out, bytes_max);
    case kZstd: return inflater.inflate(wire::Encoding::kZstd, in, out, bytes_max);
    case kLz64: return wire::lz64_decode(in, out, bytes_max);
    default: {
      std::string text;
      Status done = wire::base64_decode(in, text);
      out.assign(text);
      return done;
    }
  }
}

std::string deflate(Coding coding, std::string_view text) {
  auto* c = libdeflate_alloc_compressor(1);
  std::string out(libdeflate_gzip_compress_bound(c, text.size()), '\0');
  const auto compress = coding == kGzip   ? libdeflate_gzip_compress
                        : coding == kZlib ? libdeflate_zlib_compress
                                          : libdeflate_deflate_compress;
  out.resize(compress(c, text.data(), text.size(), out.data(), out.size()));
  libdeflate_free_compressor(c);
  return out;
}

/// Empty when this coding has no compressor here.
std::string encode(Coding coding, std::string_view text) {
  if (coding <= kRawDeflate) return deflate(coding, text);
  if (coding == kBrotli) {
    std::string out(BrotliEncoderMaxCompressedSize(text.size()) + 64, '\0');
    size_t size = out.size();
    BrotliEncoderCompress(1, 18, BROTLI_MODE_GENERIC, text.size(),
                          reinterpret_cast<const uint8_t*>(text.data()), &size,
                          reinterpret_cast<uint8_t*>(out.data()));
    out.resize(size);
    return out;
  }
  if (coding != kZstd) return {};
  std::string out(ZSTD_compressBound(text.size()), '\0');
  out.resize(ZSTD_compress(out.data(), out.size(), text.data(), text.size(), 1));
  return out;
}

}  // namespace
}  // namespace penstock::fuzz

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t size_max,
                                          unsigned seed) {
  using namespace penstock::fuzz;
  if (size < 3 || seed % 2 == 0) return LLVMFuzzerMutate(data, size, size_max);
  const auto coding = static_cast<Coding>(data[0] % kCodings);
  penstock::wire::Inflater inflater;
  penstock::PaddedBuffer plain;
  const auto packed = text_of(data + 2, size - 2);
  if (!decode(inflater, coding, packed, plain, kTextBytesMax)) {
    return LLVMFuzzerMutate(data, size, size_max);
  }
  std::string text(plain.view());
  mutate_bytes(text, text.size() + 64);
  const std::string again = encode(coding, text);
  if (again.empty() || again.size() + 2 > size_max) return LLVMFuzzerMutate(data, size, size_max);
  std::copy(again.begin(), again.end(), data + 2);
  return again.size() + 2;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace penstock::fuzz;
  using penstock::Code;
  if (size < 2) return 0;
  static penstock::wire::Inflater used;
  static penstock::PaddedBuffer used_out;
  const auto coding = static_cast<Coding>(data[0] % kCodings);
  const size_t bytes_max = data[1] == 0 ? 0 : size_t{1} << (data[1] % 21);
  const auto in = text_of(data + 2, size - 2);
  const auto first = decode(used, coding, in, used_out, bytes_max);
  penstock::wire::Inflater fresh;
  penstock::PaddedBuffer out;
  const auto second = decode(fresh, coding, in, out, bytes_max);
  hold(first.has_value() == second.has_value(), "a used inflater answers as a fresh one");
  if (first) {
    hold(used_out.view() == out.view(), "the text is the same");
    hold(coding == kBase64 || out.size() <= bytes_max, "the text is within its limit");
    hold(out.size() == 0 || out.data()[out.size()] == '\0', "the padding is clear");
  } else {
    hold(first.error() == second.error(), "the error is the same");
    const Code code = first.error().code;
    hold(code == Code::kInvalid || code == Code::kExhausted, "the error is one of two");
  }
  hold(coding == kBase64 || out.capacity() <= 2 * bytes_max + 65536,
       "the limit holds while inflating");
  used_out.trim(1U << 20);
  return 0;
}
