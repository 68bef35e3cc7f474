// zstd bodies, of one frame or more, with and without what a frame may leave out. See
// fuzz/inflate.h.
#include <zstd.h>

#include <memory>

#include "fuzz/inflate.h"

namespace {

using namespace penstock;

struct Zstd {
  static constexpr size_t kTimesLimit = 4, kTimesInput = 128, kDecoderBytes = 512U << 10;
  static constexpr bool kLimited = true;
  static Status decode(wire::Inflater& inflater, std::string_view in, PaddedBuffer& out,
                       size_t bytes_max) {
    PENSTOCK_CHECK(inflater.inflate(wire::Encoding::kZstd, in, out, bytes_max));
    const bool current = in.starts_with("\x28\xb5\x2f\xfd");
    const bool skipped = in.substr(1).starts_with("\x2a\x4d\x18");
    fuzz::hold(current || skipped, "only frames of the published format are taken");
    return {};
  }
  static std::string encode(std::string_view text, fuzz::Choices c) {
    const std::unique_ptr<ZSTD_CCtx, decltype(&ZSTD_freeCCtx)> context(ZSTD_createCCtx(),
                                                                       &ZSTD_freeCCtx);
    const auto set = [&](ZSTD_cParameter what, int value) {
      fuzz::hold(ZSTD_isError(ZSTD_CCtx_setParameter(context.get(), what, value)) == 0,
                 "zstd takes these settings");
    };
    set(ZSTD_c_compressionLevel, static_cast<int>(c.below(12)) - 4);
    set(ZSTD_c_checksumFlag, static_cast<int>(c.below(2)));
    set(ZSTD_c_contentSizeFlag, static_cast<int>(c.below(2)));
    if (c.chance(128)) set(ZSTD_c_windowLog, 10 + static_cast<int>(c.below(10)));
    std::string out(ZSTD_compressBound(text.size()), '\0');
    const size_t n =
        ZSTD_compress2(context.get(), out.data(), out.size(), text.data(), text.size());
    fuzz::hold(ZSTD_isError(n) == 0, "zstd packs");
    out.resize(n);
    if (c.chance(32))
      out = std::string("\x50\x2a\x4d\x18\x03\0\0\0abc", 11) + out;  // to be skipped
    return out;
  }
  /// The same library, but as a stream with a window of its own.
  static std::optional<std::string> again(std::string_view in, size_t bytes) {
    const std::unique_ptr<ZSTD_DCtx, decltype(&ZSTD_freeDCtx)> stream(ZSTD_createDCtx(),
                                                                      &ZSTD_freeDCtx);
    std::string text(bytes + 1, '\0');
    ZSTD_inBuffer from{in.data(), in.size(), 0};
    ZSTD_outBuffer to{text.data(), text.size(), 0};
    while (from.pos < from.size) {
      const size_t before = from.pos + to.pos;
      if (ZSTD_isError(ZSTD_decompressStream(stream.get(), &to, &from)) != 0) {
        return std::nullopt;  // a window larger than a stream may have
      }
      if (from.pos + to.pos == before) break;
    }
    text.resize(to.pos);
    return text;
  }
};

}  // namespace

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t size_max,
                                          unsigned seed) {
  return penstock::fuzz::mutate_packed<Zstd>(data, size, size_max, seed);
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return penstock::fuzz::inflate_one<Zstd>(data, size);
}
