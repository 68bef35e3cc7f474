// Form bodies, base64 in them, and the rest of what the v0 decoder unwraps: any bytes give a text
// or a refusal within bounds, and a text that is wrapped is found again.
//
// Input: four bytes of choices, then the body. The mutator wraps, packs and damages it.
#include <simdjson.h>

#include <array>

#include "capture/decode/body.h"
#include "fuzz/json_mutator.h"
#include "fuzz/memory.h"
#include "fuzz/packing.h"

namespace {

using penstock::fuzz::Choices;
using penstock::fuzz::hold;
using namespace penstock;

constexpr size_t kChoices = 4;
constexpr std::array<std::string_view, 12> kQueries{"",
                                                    "compression=base64",
                                                    "compression=gzip-js",
                                                    "compression=GZIP",
                                                    "compression=lz64",
                                                    "compression=b64&_=1764064800000",
                                                    "data=eyJhIjoxfQ%3D%3D",
                                                    "data=%7B%22a%22%3A1%7D&beacon=1",
                                                    "_=x",
                                                    "beacon=18446744073709551616",
                                                    "data=&sent_at=1",
                                                    "&&=&data"};
constexpr std::array<std::string_view, 4> kTypes{"application/x-www-form-urlencoded",
                                                 "application/json", "text/plain", ""};
constexpr std::array<std::string_view, 6> kEncodings{"", "gzip", "lz64", "base64", "deflate", "x"};

/// A JSON text is the same in every wrapping.
void wrapped(std::string_view text) {
  static capture::BodyDecoder decoder;
  if (!text.starts_with('{') || text.size() > 2000) return;
  if (!simdjson::validate_utf8(text.data(), text.size())) return;
  const auto expect = [&](std::string_view type, std::string_view query, std::string_view body) {
    PaddedBuffer buffer;
    buffer.assign(body);
    const auto got = decoder.decode({query, type, "", &buffer, 1U << 20, false});
    hold(got && got->text == text, "a wrapped text is found again");
    decoder.trim();
  };
  const std::string base64 = fuzz::base64_of(text);
  expect("application/json", "", std::string(text));
  expect("application/json", "", base64);
  expect(kTypes[0], "", "data=" + fuzz::percent_of(text));
  expect(kTypes[0], "", "ver=1.0&compression=base64&data=" + fuzz::percent_of(base64));
  expect("", "compression=gzip-js", fuzz::zlib_pack(fuzz::Wrapping::kGzip, text, Choices("")));
  if (text.find('\0') == std::string_view::npos) {
    expect("", "compression=lz64", fuzz::Lz64Writer().pack(text));
  }
}

}  // namespace

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t size_max,
                                          unsigned seed) {
  using namespace penstock::fuzz;
  if (size <= kChoices || seed % 4 == 0) return LLVMFuzzerMutate(data, size, size_max);
  std::minstd_rand random(seed);
  std::string body(text_of(data + kChoices, size - kChoices));
  switch (random() % 5) {
    case 0: body = "data=" + body; break;
    case 1: body += "&compression=gzip-js&data=" + fuzz::percent_of(body.substr(0, 200)); break;
    case 2: body = packed(static_cast<Packing>(random() % kPackings), body); break;
    default: mutate_json(body, size_max - kChoices, static_cast<unsigned>(random())); break;
  }
  return kChoices + give_back(body, data + kChoices, size_max - kChoices);
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace penstock::fuzz;
  Choices choices(text_of(data, size));
  const auto query = choices.pick(kQueries), type = choices.pick(kTypes);
  const auto encoding = choices.pick(kEncodings);
  const uint8_t more = choices.byte();
  const size_t bytes_max = more % 4 == 0 ? 200 : 1U << 18;
  const std::string_view body = choices.rest();
  wrapped(body);
  PaddedBuffer buffer;
  buffer.assign(body);
  capture::BodyDecoder decoder;
  const MemoryWatch watch;
  const auto decoded = decoder.decode({query, type, encoding, &buffer, bytes_max, more % 8 >= 4});
  hold(watch.peak() <= 10 * bytes_max + 160 * body.size() + (128U << 10), "memory is bounded");
  if (!decoded) {
    const int status = decoded.error().status;
    hold(status == 400 || status == 413, "a refusal is 400 or 413");
    hold(!decoded.error().message.empty() && !decoded.error().tag.empty(), "a refusal has words");
    return 0;
  }
  hold(decoded->text.size() <= std::max(bytes_max, query.size()), "the text is within its limit");
  hold(simdjson::validate_utf8(decoded->text.data(), decoded->text.size()), "the text is UTF-8");
  hold(decoded->text == decoder.last_text(), "the last text is this one");
  return 0;
}
