// v0 bodies: any path, query, content type, encoding and body give one answer; what is decoded and
// parsed keeps its promises; what is accepted is in the log as it was sent, and nothing else is.
//
// Input: four bytes of choices, then the body as JSON (or anything), which the driver may pack. The
// mutator works on tokens.
#include <array>

#include "capture/decode/body.h"
#include "capture/decode/events.h"
#include "capture/decode/heatmap.h"
#include "fuzz/capture_world.h"
#include "fuzz/json_mutator.h"
#include "fuzz/memory.h"
#include "fuzz/packing.h"

namespace {

using penstock::fuzz::hold;
using namespace penstock;

constexpr size_t kChoices = 4;
constexpr size_t kDistinctIdChars = 200;

constexpr std::array<std::string_view, 9> kPaths{"/batch/",   "/i/v0/e/", "/e/",
                                                 "/capture/", "/track/",  "/engage/",
                                                 "/batch",    "/i/v0/e",  "/i/v0/ai/batch"};
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

struct Expected {
  int status = 200;                 // of a refusal; 200 when it is accepted
  std::vector<std::string> events;  // as they were sent
};

/// The decoder and the parser on their own, where more can be held than an answer says.
Expected parse(std::string_view path, std::string_view query, std::string_view type,
               std::string_view encoding, std::string_view body) {
  static capture::BodyDecoder decoder;
  static capture::EventParser parser;
  static PaddedBuffer buffer;
  const bool engage = path.starts_with("/engage");
  const bool legacy = engage || path.starts_with("/e/") || path.starts_with("/capture") ||
                      path.starts_with("/track");
  buffer.assign(body);
  const auto decoded =
      decoder.decode({query, type, encoding, &buffer, fuzz::kDecodedBytesMax, legacy});
  if (!decoded) {
    hold(!decoded.error().message.empty(), "a refusal has words");
    return {decoded.error().status, {}};
  }
  hold(decoded->text.size() <= fuzz::kDecodedBytesMax, "the text is within its limit");
  const fuzz::MemoryWatch watch;
  const auto batch = parser.parse(decoded->text, {kDistinctIdChars, 64, 100'000, engage});
  // An event of two characters is a slice with its members.
  hold(watch.peak() <= 256 * decoded->text.size() + (64U << 10), "the parser's memory is bounded");
  Expected out;
  if (!batch) {
    hold(!batch.error().message.empty() && !batch.error().tag.empty(), "a refusal has words");
    out.status = batch.error().status;
  } else {
    for (const auto& event : (*batch)->events) {
      hold(event.raw.data() >= decoded->text.data() &&
               event.raw.data() + event.raw.size() <= decoded->text.data() + decoded->text.size(),
           "an event is a slice of the text");
      hold(event.distinct_id.size() <= 4 * kDistinctIdChars, "a distinct id is cut");
      if (event.raw.size() > fuzz::kMessageBytesMax) continue;
      if (event.heatmap && event.event != capture::kHeatmapEvent) {
        static capture::HeatmapSplit split;
        split.split(event.raw, event.distinct_id);
        out.events.emplace_back(split.rest());
        out.events.emplace_back(split.heatmap());
      } else {
        out.events.emplace_back(event.raw);
      }
    }
    if ((*batch)->events.size() == 1 && out.events.empty()) out.status = 413;
    hold((*batch)->token.size() <= 64, "a token is short");
  }
  parser.clear();
  decoder.trim();
  return out;
}

}  // namespace

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t size_max,
                                          unsigned seed) {
  return penstock::fuzz::mutate_request(data, size, size_max, seed, kChoices);
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace penstock::fuzz;
  Choices choices(text_of(data, size));
  const auto path = choices.pick(kPaths), query = choices.pick(kQueries);
  const auto type = choices.pick(kTypes);
  const uint8_t last = choices.byte();
  const auto encoding = kEncodings[last % kEncodings.size()];
  const auto packing = static_cast<Packing>(last / kEncodings.size() % kPackings);
  const std::string body = packed(packing, choices.rest());
  Expected expected = parse(path, query, type, encoding, body);
  std::string target(path);
  if (!query.empty()) target += "?" + std::string(query);
  const CaptureReply reply = capture_world().ask(
      "POST", target,
      {{"Content-Type", type}, {"Content-Encoding", encoding}, {"Origin", "http://a"}}, body);
  if (expected.status != 200) {
    hold(reply.status == expected.status, "what cannot be read is refused as such");
    return 0;
  }
  hold(reply.status == (query == "beacon=1" ? 204 : 200), "what can be read is accepted");
  std::vector<std::string> logged;
  for (const auto& record : capture_world().log.logged.records) logged.emplace_back(record.data);
  std::ranges::sort(logged);
  std::ranges::sort(expected.events);
  hold(logged == expected.events, "what is accepted is in the log as it was sent");
  return 0;
}
