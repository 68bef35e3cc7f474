// base64 texts. See fuzz/inflate.h.
#include "fuzz/base64.h"
#include "fuzz/inflate.h"

namespace {

using namespace penstock;

struct Base64 {
  static constexpr size_t kTimesLimit = 0, kTimesInput = 8, kDecoderBytes = 8192;
  static constexpr bool kLimited = false;  // the text is never larger than what it is read from
  static Status decode(wire::Inflater&, std::string_view in, PaddedBuffer& out, size_t) {
    std::string text;
    PENSTOCK_CHECK(wire::base64_decode(in, text));
    fuzz::hold(text.size() <= in.size() / 4 * 3, "three bytes come of four characters");
    out.assign(text);
    return {};
  }
  static std::string encode(std::string_view text, fuzz::Choices) { return fuzz::base64_of(text); }
  static std::optional<std::string> again(std::string_view, size_t) { return std::nullopt; }
};

}  // namespace

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t size_max,
                                          unsigned seed) {
  return penstock::fuzz::mutate_packed<Base64>(data, size, size_max, seed);
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return penstock::fuzz::inflate_one<Base64>(data, size);
}
