// HTTP: whatever bytes a connection carries, and in whatever pieces they come, the handler sees the
// same requests, within its limits, the client gets the same whole answers, and nothing is left.
//
// Input: a byte for the size of the pieces and, when it is odd, choices that a small grammar turns
// into requests; otherwise plain bytes, whose mutator knows lines, header bombs and chunks.
#include <array>

#include "fuzz/http_world.h"

namespace {

using penstock::fuzz::Choices;
using penstock::fuzz::hold;
using namespace penstock;

constexpr size_t kPiecesMax = 300;

/// One request that may be right or wrong in any part.
void add_request(Choices& c, std::string& out) {
  constexpr std::array<std::string_view, 8> kMethods{"GET",  "POST", "HEAD",    "OPTIONS",
                                                     "POST", "PUT",  "CONNECT", "G@T"};
  constexpr std::array<std::string_view, 9> kTargets{
      "/", "/late", "/drop", "/e/?x=1", "*", "http://h/x", "/%00\x80", "", "/?a=\x01"};
  constexpr std::array<std::string_view, 7> kVersions{
      " HTTP/1.1", " HTTP/1.0", " HTTP/1.1", " HTTP/2.0", "", " HTTP/1.1 x", " http/1.1"};
  constexpr std::array<std::string_view, 14> kHeaders{"Host: h",
                                                      "Connection: close",
                                                      "Connection: keep-alive",
                                                      "Expect: 100-continue",
                                                      "Upgrade: websocket\r\nConnection: upgrade",
                                                      "X: ",
                                                      "X",
                                                      "X : y",
                                                      " folded",
                                                      ": empty",
                                                      "Transfer-Encoding: gzip, chunked",
                                                      "Content-Length: 3",
                                                      "Content-Length: +3",
                                                      "Transfer-Encoding: identity"};
  constexpr std::array<std::string_view, 5> kEnds{"\r\n", "\r\n", "\r\n", "\n", "\r"};
  const auto line = [&](std::string_view text) { out.append(text).append(c.pick(kEnds)); };
  line(std::string(c.pick(kMethods)) + " " + std::string(c.pick(kTargets)) +
       std::string(c.pick(kVersions)));
  for (size_t n = c.below(5); n > 0; n--) line(c.pick(kHeaders));
  if (c.chance(8)) {
    for (int i = 0; i < 25; i++) line("H" + std::to_string(i) + ": v");
  }
  if (c.chance(8)) line("Long: " + std::string(5000, 'a'));
  std::string body(c.take(c.below(40)));
  if (c.chance(20)) body.assign(c.below(6000), 'b');
  switch (c.below(4)) {
    case 0: break;
    case 1:
      line("Content-Length: " + std::to_string(body.size() + (c.chance(30) ? c.byte() : 0)));
      break;
    default: {
      line("Transfer-Encoding: chunked");
      std::string chunked;
      for (std::string_view rest = body; !rest.empty();) {
        const std::string_view piece = rest.substr(0, 1 + c.below(20));
        std::array<char, 40> size{};
        std::snprintf(size.data(), size.size(), "%zx%s\r\n", piece.size() + (c.chance(8) ? 1 : 0),
                      c.chance(20) ? ";extension=\"x\"" : "");
        chunked.append(size.data()).append(piece).append(c.chance(8) ? "" : "\r\n");
        rest.remove_prefix(piece.size());
      }
      body = chunked + (c.chance(10) ? "ffffffffffffffff\r\n" : "0\r\n") +
             (c.chance(30) ? "Trailer: x\r\n" : "") + (c.chance(20) ? "" : "\r\n");
    }
  }
  line("");
  out += body;
}

/// Lines that matter, to be put among others.
constexpr std::array<std::string_view, 22> kLines{"Content-Length: 5\r\n",
                                                  "Content-Length: 99999999999999999999\r\n",
                                                  "Content-Length: 0x5\r\n",
                                                  "Transfer-Encoding: chunked\r\n",
                                                  "Transfer-Encoding: chunked, gzip\r\n",
                                                  "transfer-encoding:\tchunked\r\n",
                                                  "Connection: close\r\n",
                                                  "Connection: keep-alive, upgrade\r\n",
                                                  "Upgrade: h2c\r\n",
                                                  "Expect: 100-continue\r\n",
                                                  "GET /late HTTP/1.1\r\n\r\n",
                                                  "GET /drop HTTP/1.1\r\n\r\n",
                                                  "HEAD / HTTP/1.0\r\n\r\n",
                                                  "POST / HTTP/1.1\r\n",
                                                  "5\r\nhello\r\n",
                                                  "5;a=b\r\nhello\r\n",
                                                  "0\r\n\r\n",
                                                  "ffffffff\r\n",
                                                  "\r\n",
                                                  "\r\n\r\n",
                                                  "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
                                                  " folded\r\n"};

/// Drops, repeats, moves and puts in lines of plain bytes.
void mutate_lines(std::string& text, std::minstd_rand& random) {
  std::vector<std::string> lines;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size() - 1) + 1;
    lines.push_back(text.substr(at, end - at));
    at = end;
  }
  for (size_t n = 1 + random() % 3; n > 0; n--) {
    if (lines.empty()) lines.emplace_back("GET / HTTP/1.1\r\n");
    const size_t at = random() % lines.size(), other = random() % lines.size();
    const auto where = lines.begin() + static_cast<std::ptrdiff_t>(at);
    switch (random() % 6) {
      case 0: lines.erase(where); break;
      case 1: std::swap(lines[at], lines[other]); break;
      case 2: lines.insert(where, random() % 40, std::string(lines[other])); break;
      case 3: lines[at].insert(lines[at].size() / 2, std::string(random() % 5000, 'x')); break;
      case 4: fuzz::mutate_bytes(lines[at], lines[at].size() + 8); break;
      default: lines.insert(where, std::string(kLines[random() % kLines.size()])); break;
    }
  }
  text.clear();
  for (const std::string& line : lines) text += line;
}

/// Bytes are seen in whole answers: a status line, headers, a length and so many bytes.
void hold_answers(std::string_view all, size_t requests) {
  size_t answers = 0;
  while (!all.empty()) {
    hold(all.starts_with("HTTP/1.1 "), "what comes back is HTTP");
    const size_t end = all.find("\r\n\r\n");
    hold(end != std::string_view::npos, "an answer has a whole head");
    const std::string_view head = all.substr(0, end + 2);
    const int status = std::atoi(std::string(head.substr(9, 3)).c_str());
    all.remove_prefix(end + 4);
    if (status == 100) continue;
    answers++;
    hold(status == 200 || status == 400 || status == 431 || status == 500, "a status is known");
    const size_t at = head.find("Content-Length: ");
    hold(at != std::string_view::npos, "an answer has a length");
    const auto bytes = static_cast<size_t>(std::atoll(std::string(head.substr(at + 16)).c_str()));
    // An answer to HEAD tells the length of what is not sent.
    const size_t here = all.starts_with("HTTP/1.1 ") ? 0 : std::min(bytes, all.size());
    hold(here == bytes || here == 0, "an answer is whole");
    all.remove_prefix(here);
  }
  hold(answers <= requests + 1, "a request has one answer, and the connection one of its own");
}

}  // namespace

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t size_max,
                                          unsigned seed) {
  using namespace penstock::fuzz;
  if (size < 2 || data[0] % 2 == 1 || seed % 4 == 0) return LLVMFuzzerMutate(data, size, size_max);
  std::minstd_rand random(seed);
  std::string text(text_of(data + 1, size - 1));
  mutate_lines(text, random);
  return 1 + give_back(text, data + 1, size_max - 1);
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace penstock::fuzz;
  static HttpWorld world;
  if (size < 2) return 0;
  Choices choices(text_of(data + 1, size - 1));
  std::string text;
  if (data[0] % 2 == 1) {
    for (size_t n = 1 + choices.below(6); n > 0; n--) add_request(choices, text);
  } else {
    text = choices.rest();
  }
  constexpr std::array<size_t, 8> kSteps{1, 2, 3, 5, 16, 61, 500, 4096};
  const size_t step = std::max(kSteps[data[0] / 2 % kSteps.size()], text.size() / kPiecesMax + 1);
  const HttpWorld::Outcome whole = world.talk(text, std::max<size_t>(1, text.size()));
  const HttpWorld::Outcome pieces = world.talk(text, step);
  hold_answers(whole.answers, whole.requests.size());
  hold_answers(pieces.answers, pieces.requests.size());
  // How much of a body is too much is known earlier when it comes in pieces.
  for (const auto* outcome : {&whole, &pieces}) {
    for (const SeenRequest& seen : outcome->requests) {
      if (seen.too_large) return 0;
    }
  }
  hold(whole.requests == pieces.requests, "requests in pieces are the same requests");
  hold(whole.answers == pieces.answers, "their answers are the same");
  return 0;
}
