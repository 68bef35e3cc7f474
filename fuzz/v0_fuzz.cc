// v0 bodies: any path, query, content type, encoding and body give one answer; what is decoded and
// parsed keeps its promises; what is accepted decodes from the log.
//
// Input: four bytes of choices, then the body as JSON (or anything). The mutator works on tokens.
#include <array>

#include "capture/decode/body.h"
#include "capture/decode/events.h"
#include "event/json_scan.h"
#include "fuzz/capture_world.h"
#include "fuzz/json_mutator.h"

namespace {

using penstock::fuzz::hold;

constexpr size_t kChoices = 4;
constexpr size_t kDistinctIdChars = 200;

constexpr std::array<std::string_view, 8> kPaths{"/batch/", "/i/v0/e/", "/e/",    "/capture/",
                                                 "/track/", "/engage/", "/batch", "/i/v0/e"};
constexpr std::array<std::string_view, 8> kQueries{"",
                                                   "compression=base64",
                                                   "compression=gzip-js",
                                                   "compression=lz64",
                                                   "_=16094592",
                                                   "_=1764064800000",
                                                   "beacon=1",
                                                   "sent_at=x"};
constexpr std::array<std::string_view, 4> kTypes{"application/json", "text/plain",
                                                 "application/x-www-form-urlencoded", ""};
constexpr std::array<std::string_view, 5> kEncodings{"", "gzip", "deflate", "lz64", "base64"};

/// The decoder and the parser on their own, where more can be held than an answer says.
void parse(std::string_view query, std::string_view type, std::string_view encoding,
           std::string_view body, bool legacy) {
  static penstock::capture::BodyDecoder decoder;
  static penstock::capture::EventParser parser;
  static penstock::PaddedBuffer buffer;
  buffer.assign(body);
  const auto decoded = decoder.decode({query, type, encoding, &buffer, 1U << 20, legacy});
  if (!decoded) {
    hold(decoded.error().status >= 400 && decoded.error().status < 500, "a refusal is a 4xx");
    hold(!decoded.error().message.empty(), "a refusal has words");
    return;
  }
  hold(decoded->text.size() <= 1U << 20, "the text is within its limit");
  const auto batch = parser.parse(decoded->text, {kDistinctIdChars, 64, 1000, legacy});
  if (!batch) {
    hold(batch.error().status >= 400 && batch.error().status < 500, "a refusal is a 4xx");
  } else {
    for (const auto& event : (*batch)->events) {
      hold(penstock::event::validate_json(event.raw), "an event's bytes are JSON");
      hold(event.distinct_id.size() <= 4 * kDistinctIdChars, "a distinct id is cut");
    }
    hold((*batch)->token.size() <= 64, "a token is short");
  }
  parser.clear();
  decoder.trim();
}

}  // namespace

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t size_max,
                                          unsigned seed) {
  using namespace penstock::fuzz;
  if (size <= kChoices || seed % 8 == 0) return LLVMFuzzerMutate(data, size, size_max);
  std::string body(text_of(data + kChoices, size - kChoices));
  mutate_json(body, size_max - kChoices, seed / 8);
  return kChoices + give_back(body, data + kChoices, size_max - kChoices);
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace penstock::fuzz;
  Choices choices(text_of(data, size));
  const auto path = choices.pick(kPaths), query = choices.pick(kQueries);
  const auto type = choices.pick(kTypes), encoding = choices.pick(kEncodings);
  const std::string_view body = choices.rest();
  parse(query, type, encoding, body, path != kPaths[0] && path != kPaths[1]);
  std::string target(path);
  if (!query.empty()) target += "?" + std::string(query);
  capture_world().ask(
      "POST", target,
      {{"Content-Type", type}, {"Content-Encoding", encoding}, {"Origin", "http://a"}}, body);
  return 0;
}
