// brotli bodies. See fuzz/inflate.h.
#include <brotli/encode.h>

#include <memory>

#include "fuzz/inflate.h"

namespace {

using namespace penstock;

struct Brotli {
  // The format's window is 16 MiB at most, and the decoder has it beside the text.
  static constexpr size_t kTimesLimit = 4, kTimesInput = 16, kDecoderBytes = 36U << 20;
  static constexpr bool kLimited = true;
  static Status decode(wire::Inflater& inflater, std::string_view in, PaddedBuffer& out,
                       size_t bytes_max) {
    return inflater.inflate(wire::Encoding::kBrotli, in, out, bytes_max);
  }
  static std::string encode(std::string_view text, fuzz::Choices c) {
    const std::unique_ptr<BrotliEncoderState, decltype(&BrotliEncoderDestroyInstance)> encoder(
        BrotliEncoderCreateInstance(nullptr, nullptr, nullptr), &BrotliEncoderDestroyInstance);
    const auto set = [&](BrotliEncoderParameter what, size_t value) {
      BrotliEncoderSetParameter(encoder.get(), what, static_cast<uint32_t>(value));
    };
    set(BROTLI_PARAM_QUALITY, c.below(10));
    set(BROTLI_PARAM_LGWIN, 10 + c.below(9));
    set(BROTLI_PARAM_MODE, c.below(3));
    set(BROTLI_PARAM_DISABLE_LITERAL_CONTEXT_MODELING, c.below(2));
    std::string out(BrotliEncoderMaxCompressedSize(text.size()) + 64, '\0');
    size_t left = text.size(), free = out.size();
    auto* next = reinterpret_cast<const uint8_t*>(text.data());
    auto* to = reinterpret_cast<uint8_t*>(out.data());
    fuzz::hold(BrotliEncoderCompressStream(encoder.get(), BROTLI_OPERATION_FINISH, &left, &next,
                                           &free, &to, nullptr) == BROTLI_TRUE &&
                   BrotliEncoderIsFinished(encoder.get()) == BROTLI_TRUE,
               "brotli packs");
    out.resize(out.size() - free);
    return out;
  }
  static std::optional<std::string> again(std::string_view, size_t) { return std::nullopt; }
};

}  // namespace

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t size_max,
                                          unsigned seed) {
  return penstock::fuzz::mutate_packed<Brotli>(data, size, size_max, seed);
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return penstock::fuzz::inflate_one<Brotli>(data, size);
}
