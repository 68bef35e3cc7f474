// deflate bodies, in zlib's wrapping and without it. See fuzz/inflate.h.
#include "fuzz/zlib_coding.h"

namespace {

using namespace penstock;

struct Deflate {
  static constexpr size_t kTimesLimit = 4, kTimesInput = 16, kDecoderBytes = 128U << 10;
  static constexpr bool kLimited = true;
  static Status decode(wire::Inflater& inflater, std::string_view in, PaddedBuffer& out,
                       size_t bytes_max) {
    return inflater.inflate(wire::Encoding::kDeflate, in, out, bytes_max);
  }
  static std::string encode(std::string_view text, fuzz::Choices choices) {
    // The first byte tells the two apart: a window of 32 KiB makes it zlib's.
    std::string raw = fuzz::zlib_pack(fuzz::Wrapping::kRaw, text, choices);
    if (choices.rest().size() % 2 == 0 && !raw.starts_with('x')) return raw;
    const std::string_view large_window("\0\6\0\7\0", 5);
    return fuzz::zlib_pack(fuzz::Wrapping::kZlib, text, fuzz::Choices(large_window));
  }
  static std::optional<std::string> again(std::string_view in, size_t bytes) {
    return fuzz::zlib_unpack(in.starts_with('x') ? fuzz::Wrapping::kZlib : fuzz::Wrapping::kRaw, in,
                             bytes);
  }
};

}  // namespace

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t size_max,
                                          unsigned seed) {
  return penstock::fuzz::mutate_packed<Deflate>(data, size, size_max, seed);
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return penstock::fuzz::inflate_one<Deflate>(data, size);
}
