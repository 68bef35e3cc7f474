#include <algorithm>
#include <charconv>

#include "log/kafka/begins.h"

namespace penstock::log::kafka {
namespace {

constexpr std::string_view kHead = "penstock begins 1";

std::string_view take_until(std::string_view& rest, char end) {
  const size_t at = std::min(rest.find(end), rest.size());
  const std::string_view out = rest.substr(0, at);
  rest.remove_prefix(std::min(at + 1, rest.size()));
  return out;
}

}  // namespace

std::string encode_begins(const Begins& begins) {
  std::string out(kHead);
  out += '\n';
  for (const auto& [topic, begin] : begins) {
    out += topic;
    for (const int64_t base : begin.base) out += ' ' + std::to_string(base);
    out += '\n';
  }
  return out;
}

std::optional<Begins> decode_begins(std::string_view text) {
  if (take_until(text, '\n') != kHead) return std::nullopt;
  Begins out;
  while (!text.empty()) {
    std::string_view line = take_until(text, '\n');
    const std::string_view topic = take_until(line, ' ');
    if (topic.empty() || line.empty()) return std::nullopt;
    TopicBegin& begin = out[std::string(topic)];
    while (!line.empty()) {
      const std::string_view word = take_until(line, ' ');
      int64_t base = 0;
      const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), base);
      if (error != std::errc() || end != word.data() + word.size() || base < 0) {
        return std::nullopt;
      }
      begin.base.push_back(base);
    }
  }
  return out;
}

}  // namespace penstock::log::kafka
