// /i/v0/ai: any content type, encoding and body give one answer; parts are slices that put together
// again are the same parts; what they become is a JSON object with properties.
//
// Input: two bytes of choices, then the body. The boundary is "b". The mutator cuts at it, moves,
// repeats and drops pieces, and changes the JSON in them.
#include <array>

#include "capture/ai/ai_body.h"
#include "capture/ai/multipart.h"
#include "event/json_fields.h"
#include "fuzz/capture_world.h"
#include "fuzz/json_mutator.h"
#include "fuzz/memory.h"

namespace {

using penstock::fuzz::hold;
namespace ai = penstock::capture::ai;

constexpr size_t kChoices = 2;
constexpr size_t kBytesMax = 1U << 16;

constexpr std::array<std::string_view, 6> kTypes{"multipart/form-data; boundary=b",
                                                 "multipart/form-data; boundary=\"b\"; x=y",
                                                 "Multipart/Form-Data;boundary=b;",
                                                 "multipart/form-data; boundary=\"b\\",
                                                 "multipart/form-data",
                                                 "application/json"};
constexpr std::array<std::string_view, 5> kEncodings{"", "", "", "gzip", "zstd"};

void split(std::string_view body) {
  const auto parts = ai::split_parts(body, "b");
  if (!parts) {
    hold(parts.error().status == 400 && !parts.error().message.empty(), "a refusal has words");
    return;
  }
  hold(!parts->empty() && parts->size() <= ai::kPartsMax, "parts are bounded");
  std::string again;
  for (const ai::Part& part : *parts) {
    hold(!part.name.empty(), "a part has a name");
    const bool inside =
        part.data.empty() || (part.data.data() >= body.data() &&
                              part.data.data() + part.data.size() <= body.data() + body.size());
    hold(inside, "a part is a slice of the body");
    hold(part.data.find("\r\n--b") == std::string_view::npos, "no boundary is in a part");
    again += "--b\r\nContent-Disposition: form-data; name=\"";
    for (const char c : part.name)
      again += c == '"' || c == '\\' ? std::string{'\\', c} : std::string{c};
    again += "\"\r\n\r\n";
    again += part.data;
    again += "\r\n";
  }
  again += "--b--\r\n";
  const auto twice = ai::split_parts(again, "b");
  hold(twice && twice->size() == parts->size(), "parts put together again are as many");
  for (size_t i = 0; i < parts->size(); i++) {
    hold((*twice)[i].name == (*parts)[i].name && (*twice)[i].data == (*parts)[i].data,
         "parts put together again are the same");
  }
}

void put_together(std::string_view type, std::string_view encoding, std::string_view body) {
  static ai::AiBody decoder;
  static penstock::PaddedBuffer buffer;
  buffer.assign(body);
  penstock::wire::Request request;
  request.headers = {{"Content-Type", type}, {"Content-Encoding", encoding}};
  request.body = &buffer;
  const penstock::fuzz::MemoryWatch watch;
  const auto text = decoder.decode(request, kBytesMax);
  // Each part that is packed with brotli has a window of its own beside the text, one at a time.
  const size_t window = body.find("br") == std::string_view::npos ? 1U << 20 : 36U << 20;
  hold(watch.peak() <= 16 * kBytesMax + 64 * body.size() + window, "memory is bounded");
  if (!text) {
    const int status = text.error().status;
    hold(status == 400 || status == 413 || status == 415, "a refusal is a 4xx");
  } else {
    const auto event = penstock::event::JsonFields::parse(*text);
    hold(event.has_value(), "what parts become is a JSON object");
    const auto properties = event->find("properties");
    hold(properties && properties->starts_with('{'), "with properties");
    hold(penstock::event::validate_json(decoder.accepted_parts()).has_value(),
         "what was taken is told in JSON");
  }
  decoder.trim();
}

}  // namespace

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t size_max,
                                          unsigned seed) {
  using namespace penstock::fuzz;
  if (size <= kChoices || seed % 4 == 0) return LLVMFuzzerMutate(data, size, size_max);
  std::minstd_rand random(seed / 4);
  std::string body(text_of(data + kChoices, size - kChoices));
  std::vector<std::string> pieces;
  for (size_t at = 0; at < body.size();) {
    const size_t end = std::min(body.find("\r\n--b", at + 1), body.size());
    pieces.push_back(body.substr(at, end - at));
    at = end;
  }
  const size_t at = random() % pieces.size(), other = random() % pieces.size();
  const auto where = pieces.begin() + static_cast<std::ptrdiff_t>(at);
  switch (random() % 5) {
    case 0: std::swap(pieces[at], pieces[other]); break;
    case 1: pieces.insert(where, std::string(pieces[other])); break;
    case 2: pieces.erase(where); break;
    default: {  // the piece's data, after its headers
      const size_t head = std::min(pieces[at].find("\r\n\r\n"), pieces[at].size());
      std::string inside = pieces[at].substr(head);
      mutate_json(inside, size_max, static_cast<unsigned>(random()));
      pieces[at] = pieces[at].substr(0, head) + inside;
    }
  }
  body.clear();
  for (const std::string& piece : pieces) body += piece;
  return kChoices + give_back(body, data + kChoices, size_max - kChoices);
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace penstock::fuzz;
  Choices choices(text_of(data, size));
  const uint8_t type_choice = choices.byte();
  const std::string_view type = kTypes[type_choice < 200 ? 0 : type_choice % kTypes.size()];
  const std::string_view encoding = choices.pick(kEncodings);
  const std::string_view body = choices.rest();
  split(body);
  put_together(type, encoding, body);
  (void)ai::boundary_of(body.substr(0, 200));
  capture_world().ask("POST", "/i/v0/ai",
                      {{"Authorization", "Bearer phc_fuzz0000000000000000000000000000000000000"},
                       {"Content-Type", type},
                       {"Content-Encoding", encoding}},
                      body);
  return 0;
}
