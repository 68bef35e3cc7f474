// Session recordings from the outside: the parser of /s/, the reading of rrweb events, and blocks.
//
// The first byte chooses what the rest is. A request that is accepted must become a message that is
// valid JSON; lines that are written must be read back; everything else only must not fail.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "capture/replay/replay_request.h"
#include "event/json_fields.h"
#include "recording/block.h"
#include "replay/flush/rrweb.h"

namespace {

void request(std::string_view text) {
  penstock::capture::ReplayParser parser;
  const auto parsed = parser.parse(text, {});
  if (!parsed) return;
  std::string data;
  penstock::capture::append_replay_data(**parsed, "web", data);
  // The edge has seen to the UTF-8 before; here it may be anything.
  const bool whole = penstock::event::validate_json(text).has_value();
  if (whole && !penstock::event::validate_json(data)) std::abort();
}

void rrweb(std::string_view text) {
  const auto read = penstock::replay::read_rrweb(text);
  if (!read) return;
  std::string lines, object;
  penstock::recording::append_line("w", text, lines);
  penstock::recording::append_block(lines, object);
  const auto block = penstock::recording::read_block(object);
  if (!block || *block != lines) std::abort();
  const auto split = penstock::recording::split_lines(*block);
  if (!split || split->size() != 1 || split->front().timestamp_ms != read->timestamp_ms) {
    std::abort();
  }
}

void stored(std::string_view bytes) {
  if (const auto block = penstock::recording::read_block(bytes)) {
    (void)penstock::recording::split_lines(*block);
  }
  if (const auto place = penstock::recording::parse_block_url(bytes)) {
    if (penstock::recording::parse_block_url(penstock::recording::block_url(*place)) != place) {
      std::abort();
    }
  }
  (void)penstock::recording::written_ms(bytes);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 3) {
    case 0: request(rest); break;
    case 1: rrweb(rest); break;
    default: stored(rest); break;
  }
  return 0;
}
