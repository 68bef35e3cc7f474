#include "ingest/steps/text.h"

#include <algorithm>

namespace penstock::ingest {
namespace {

bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

}  // namespace

std::string_view cut_characters(std::string_view text, size_t chars) {
  if (text.size() <= chars) return text;
  size_t seen = 0;
  for (size_t i = 0; i < text.size(); i++) {
    if ((static_cast<unsigned char>(text[i]) & 0xc0) == 0x80) continue;
    if (seen == chars) return text.substr(0, i);
    seen++;
  }
  return text;
}

bool longer_than(std::string_view text, size_t chars) {
  return text.size() > chars && cut_characters(text, chars).size() < text.size();
}

std::string lower_ascii(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

std::vector<std::string_view> split_array(std::string_view raw) {
  std::vector<std::string_view> out;
  raw = trimmed(raw);
  if (raw.size() < 2 || raw.front() != '[') return out;
  raw = raw.substr(1, raw.size() - 2);
  size_t begin = 0, depth = 0;
  bool in_string = false;
  const auto take = [&](size_t end) {
    const std::string_view element = trimmed(raw.substr(begin, end - begin));
    if (!element.empty()) out.push_back(element);
    begin = end + 1;
  };
  for (size_t i = 0; i < raw.size(); i++) {
    const char c = raw[i];
    if (in_string) {
      if (c == '\\') {
        i++;
      } else if (c == '"') {
        in_string = false;
      }
    } else if (c == '"') {
      in_string = true;
    } else if (c == '[' || c == '{') {
      depth++;
    } else if (c == ']' || c == '}') {
      depth--;
    } else if (c == ',' && depth == 0) {
      take(i);
    }
  }
  take(raw.size());
  return out;
}

}  // namespace penstock::ingest
