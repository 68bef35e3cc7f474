#include "log/embedded/scrub_state.h"

#include <fmt/format.h>

#include <sstream>

namespace penstock::log {
namespace {

constexpr std::string_view kVersion = "scrub-1";
constexpr std::string_view kNone = "-";  // in the place of an empty word

std::string word(const std::string& text) { return text.empty() ? std::string(kNone) : text; }
std::string text(std::string word) { return word == kNone ? std::string() : std::move(word); }

}  // namespace

std::string ScrubState::encode() const {
  std::string out = fmt::format("{}\n{} {} {} {} {} {}\n{} {} {}\n", kVersion, running ? 1 : 0,
                                began_ms, bytes, files, word(place.topic), word(place.name),
                                last_ended_ms, last_bytes, last_files);
  for (const auto& [at, d] : damage) {
    std::string problem = d.problem;
    for (char& c : problem) c = c == '\n' ? ' ' : c;
    out += fmt::format("{} {} {} {}\n", d.found_ms, at.topic, at.name, problem);
  }
  return out;
}

std::optional<ScrubState> ScrubState::decode(std::string_view bytes_of_file) {
  std::istringstream in{std::string(bytes_of_file)};
  ScrubState s;
  std::string version, topic, name;
  if (!(in >> version) || version != kVersion) return std::nullopt;
  if (!(in >> s.running >> s.began_ms >> s.bytes >> s.files >> topic >> name)) return std::nullopt;
  if (!(in >> s.last_ended_ms >> s.last_bytes >> s.last_files)) return std::nullopt;
  s.place = {text(std::move(topic)), text(std::move(name))};
  ScrubDamage d;
  while (in >> d.found_ms >> topic >> name) {
    if (!std::getline(in >> std::ws, d.problem)) return std::nullopt;
    s.damage[{topic, name}] = d;
  }
  return s;
}

}  // namespace penstock::log
