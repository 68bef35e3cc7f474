// lz-string's base64 variant. See fuzz/inflate.h.
#include <simdjson.h>

#include "fuzz/inflate.h"
#include "fuzz/lz64.h"

namespace {

using namespace penstock;

struct Lz64 {
  // The dictionary is as large as the input, the text it points into is UTF-16.
  static constexpr size_t kTimesLimit = 10, kTimesInput = 128, kDecoderBytes = 64U << 10;
  static constexpr bool kLimited = true;
  static Status decode(wire::Inflater&, std::string_view in, PaddedBuffer& out, size_t bytes_max) {
    PENSTOCK_CHECK(wire::lz64_decode(in, out, bytes_max));
    fuzz::hold(simdjson::validate_utf8(out.data(), out.size()), "lz64 gives UTF-8");
    return {};
  }
  static std::string encode(std::string_view text, fuzz::Choices) {
    return fuzz::Lz64Writer().pack(text.substr(0, 4096));
  }
  static std::optional<std::string> again(std::string_view, size_t) { return std::nullopt; }
};

}  // namespace

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t size_max,
                                          unsigned seed) {
  return penstock::fuzz::mutate_packed<Lz64>(data, size, size_max, seed);
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return penstock::fuzz::inflate_one<Lz64>(data, size);
}
