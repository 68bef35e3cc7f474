// Session recordings from the outside: requests of /s/, the reading of rrweb events, and blocks.
//
// The first byte chooses what the rest is: a request, whose text the driver may pack (second byte),
// an rrweb event, or what is stored. A request that is accepted is one record whose data is JSON
// with as many items as were sent; lines that are written are read back; everything else only must
// not fail. The mutator works on tokens.
#include <array>

#include "capture/decode/body.h"
#include "capture/replay/replay_request.h"
#include "event/json_fields.h"
#include "fuzz/capture_world.h"
#include "fuzz/json_mutator.h"
#include "fuzz/memory.h"
#include "fuzz/packing.h"
#include "recording/block.h"
#include "replay/flush/rrweb.h"

namespace {

using penstock::fuzz::hold;
using namespace penstock;

constexpr size_t kChoices = 2;
constexpr std::array<std::string_view, 4> kTargets{"/s/", "/s/?compression=gzip-js",
                                                   "/s/?compression=base64", "/s?beacon=1"};
constexpr std::array<std::string_view, 3> kTypes{"application/json", "text/plain",
                                                 "application/x-www-form-urlencoded"};

/// The parser on its own; the number of items, or 0 when it refuses.
size_t parse(std::string_view text) {
  static capture::ReplayParser parser;
  const fuzz::MemoryWatch watch;
  const auto parsed = parser.parse(text, {});
  hold(watch.peak() <= 64 * text.size() + (64U << 10), "the parser's memory is bounded");
  if (!parsed) {
    const int status = parsed.error().status;
    hold(status == 400 || status == 401 || status == 413, "a refusal is a 4xx");
    hold(!parsed.error().message.empty(), "a refusal has words");
    parser.clear();
    return 0;
  }
  hold(capture::session_id_is_valid((*parsed)->session_id), "a session has an id of its form");
  hold(!(*parsed)->distinct_id.empty() && (*parsed)->token.size() <= 64,
       "and a person and a token");
  std::string data;
  capture::append_replay_data(**parsed, "web", data);
  const auto event = event::JsonFields::parse(data);
  hold(event.has_value(), "the message is a JSON object");
  const auto properties = event::JsonFields::parse(event->find("properties").value_or(""));
  hold(properties.has_value(), "with properties");
  const auto items = event::split_array(properties->find("$snapshot_items").value_or(""));
  hold(items && items->size() >= (*parsed)->items.size(), "which have the items");
  const size_t n = items->size();
  parser.clear();
  return n;
}

void request(uint8_t choice, std::string_view text) {
  const bool utf8 = simdjson::validate_utf8(text.data(), text.size());
  const size_t items = utf8 ? parse(text) : 0;
  const auto packing = static_cast<fuzz::Packing>(choice % fuzz::kPackings);
  const auto target = kTargets[choice / 8 % kTargets.size()];
  const auto type = kTypes[choice / 32 % kTypes.size()];
  auto& world = fuzz::capture_world();
  const auto reply =
      world.ask("POST", target, {{"Content-Type", type}}, fuzz::packed(packing, text));
  if (reply.status >= 300) return;
  const auto& records = world.log.logged.records;
  hold(records.size() == 1, "a request becomes one message");
  hold(records.front().event == capture::kReplayEvent, "of its own name");
  hold(capture::session_id_is_valid(records.front().session_id), "of a session");
  if (choice == 0) hold(items > 0, "that has items");
}

void rrweb(std::string_view text) {
  const auto read = replay::read_rrweb(text);
  if (!read) return;
  hold(read->timestamp_ms > 0, "an event has a time");
  hold(read->url.size() <= replay::kUrlBytesMax, "a URL is cut");
  hold(read->console_text.size() <= replay::kConsoleBytesMax, "a console's text is cut");
  std::string lines, object;
  recording::append_line("w", text, lines);
  recording::append_block(lines, object);
  const auto block = recording::read_block(object);
  hold(block && *block == lines, "a block is read back");
  const auto split = recording::split_lines(*block);
  hold(split && split->size() == 1 && split->front().timestamp_ms == read->timestamp_ms,
       "a line is read back");
}

void stored(std::string_view bytes) {
  if (const auto block = recording::read_block(bytes)) (void)recording::split_lines(*block);
  if (const auto place = recording::parse_block_url(bytes)) {
    hold(recording::parse_block_url(recording::block_url(*place)) == place, "a place is kept");
  }
  (void)recording::written_ms(bytes);
}

}  // namespace

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t size_max,
                                          unsigned seed) {
  return penstock::fuzz::mutate_request(data, size, size_max, seed, kChoices);
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < kChoices) return 0;
  const std::string_view rest = fuzz::text_of(data + kChoices, size - kChoices);
  switch (data[0] % 3) {
    case 0: request(data[1], rest); break;
    case 1: rrweb(rest); break;
    default: stored(rest); break;
  }
  return 0;
}
