// gzip bodies, of one member or more, with what some clients put behind them. See fuzz/inflate.h.
#include "fuzz/zlib_coding.h"

namespace {

using namespace penstock;

struct Gzip {
  static constexpr size_t kTimesLimit = 4, kTimesInput = 0, kDecoderBytes = 128U << 10;
  static constexpr bool kLimited = true;
  static Status decode(wire::Inflater& inflater, std::string_view in, PaddedBuffer& out,
                       size_t bytes_max) {
    return inflater.inflate(wire::Encoding::kGzip, in, out, bytes_max);
  }
  static std::string encode(std::string_view text, fuzz::Choices choices) {
    return fuzz::zlib_pack(fuzz::Wrapping::kGzip, text, choices);
  }
  static std::optional<std::string> again(std::string_view in, size_t bytes) {
    return fuzz::zlib_unpack(fuzz::Wrapping::kGzip, in, bytes);
  }
};

}  // namespace

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t size_max,
                                          unsigned seed) {
  return penstock::fuzz::mutate_packed<Gzip>(data, size, size_max, seed);
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return penstock::fuzz::inflate_one<Gzip>(data, size);
}
