#include "ingest/steps/elements.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>
#include <vector>

#include "ingest/steps/text.h"

namespace penstock::ingest {
namespace {

constexpr size_t kTextCharsMax = 400;
constexpr size_t kHrefCharsMax = 2048;
constexpr size_t kElementsMax = 1000;

/// Primary weights of ASCII in root order: white space, punctuation, symbols, digits, letters.
constexpr std::array<uint8_t, 128> make_weights() {
  std::array<uint8_t, 128> w{};
  uint8_t next = 1;
  for (char c : std::string_view("\t\n\v\f\r _-,;:!?.'\"()[]{}@*/\\&#%`^+<=>|~$0123456789")) {
    w[static_cast<size_t>(c)] = next++;
  }
  for (char c = 'a'; c <= 'z'; c++) {
    w[static_cast<size_t>(c)] = next;
    w[static_cast<size_t>(c - 'a' + 'A')] = next++;
  }
  return w;
}
constexpr std::array<uint8_t, 128> kWeights = make_weights();

uint32_t weight(unsigned char c) { return c < 128 ? kWeights[c] : 128U + c; }

/// JavaScript's `!value`.
bool falsy(std::string_view raw) {
  return raw == "null" || raw == "false" || raw == "\"\"" || raw == "0" || raw == "-0" ||
         raw == "0.0";
}

/// String(value) for the values attributes have.
std::string as_text(std::string_view raw) {
  switch (event::json_type(raw)) {
    case event::JsonType::kString: return event::decode_string(raw);
    case event::JsonType::kArray: {
      std::string out;
      for (std::string_view element : split_array(raw)) {
        if (!out.empty()) out.push_back(',');
        if (event::json_type(element) == event::JsonType::kString) {
          out += event::decode_string(element);
        } else if (event::json_type(element) != event::JsonType::kNull) {
          out += element;
        }
      }
      return out;
    }
    case event::JsonType::kObject: return "[object Object]";
    default: return std::string(raw);
  }
}

std::vector<std::string> classes_of(const event::JsonFields& element) {
  std::vector<std::string> out;
  const auto raw = element.find("attr__class");
  if (!raw || falsy(*raw)) return out;
  if (event::json_type(*raw) == event::JsonType::kArray) {
    for (std::string_view one : split_array(*raw)) out.push_back(as_text(one));
  } else {
    const std::string text = as_text(*raw);
    size_t begin = 0;
    while (true) {
      const size_t end = text.find(' ', begin);
      out.push_back(text.substr(begin, end == std::string::npos ? end : end - begin));
      if (end == std::string::npos) break;
      begin = end + 1;
    }
  }
  std::sort(out.begin(), out.end());
  return out;
}

void append_escaped(std::string& out, std::string_view text) {
  for (char c : text) {
    if (c == '"') out.push_back('\\');
    out.push_back(c);
  }
}

using Attributes = std::vector<std::pair<std::string, std::string>>;

Attributes attributes_of(const event::JsonFields& element) {
  Attributes out;
  const auto number = [&](std::string_view key) {
    const auto raw = element.find(key);
    return raw && event::json_type(*raw) != event::JsonType::kNull ? as_text(*raw)
                                                                   : std::string("0");
  };
  if (const auto text = element.find("$el_text"); text && !falsy(*text)) {
    out.emplace_back("text", std::string(cut_characters(as_text(*text), kTextCharsMax)));
  }
  out.emplace_back("nth-child", number("nth_child"));
  out.emplace_back("nth-of-type", number("nth_of_type"));
  if (const auto href = element.find("attr__href"); href && !falsy(*href)) {
    out.emplace_back("href", std::string(cut_characters(as_text(*href), kHrefCharsMax)));
  }
  if (const auto id = element.find("attr__id"); id && !falsy(*id)) {
    out.emplace_back("attr_id", as_text(*id));
  }
  for (const event::JsonFields::Field& f : element.fields()) {
    if (f.key.starts_with("attr__") && event::json_type(f.value) != event::JsonType::kNull) {
      out.emplace_back(std::string(f.key), as_text(f.value));
    }
  }
  std::stable_sort(out.begin(), out.end(), [](const auto& a, const auto& b) {
    return compare_attribute_names(a.first, b.first) < 0;
  });
  return out;
}

void append_element(std::string& out, const event::JsonFields& element) {
  if (const auto tag = element.find("tag_name"); tag && !falsy(*tag)) out += as_text(*tag);
  for (const std::string& one : classes_of(element)) {
    out.push_back('.');
    for (char c : one) {
      if (c != '"') out.push_back(c);
    }
  }
  out.push_back(':');
  for (const auto& [key, value] : attributes_of(element)) {
    append_escaped(out, key);
    out += "=\"";
    append_escaped(out, value);
    out.push_back('"');
  }
}

}  // namespace

int compare_attribute_names(std::string_view a, std::string_view b) {
  const size_t n = std::min(a.size(), b.size());
  int case_order = 0;  // lower case first, decided by the first difference
  for (size_t i = 0; i < n; i++) {
    const auto x = static_cast<unsigned char>(a[i]);
    const auto y = static_cast<unsigned char>(b[i]);
    if (x == y) continue;
    if (weight(x) != weight(y)) return weight(x) < weight(y) ? -1 : 1;
    if (case_order == 0) case_order = x > y ? -1 : 1;
  }
  if (a.size() != b.size()) return a.size() < b.size() ? -1 : 1;
  return case_order;
}

std::string elements_chain(std::string_view raw_array) {
  std::string out;
  size_t count = 0;
  for (std::string_view raw : split_array(raw_array)) {
    if (event::json_type(raw) != event::JsonType::kObject) continue;
    const auto element = event::JsonFields::parse(raw);
    if (!element) continue;
    if (count++ == kElementsMax) break;
    if (count > 1) out.push_back(';');
    append_element(out, *element);
  }
  return out;
}

void build_elements(Item& item) {
  const auto chain = item.properties.find("$elements_chain");
  const auto elements = item.properties.find("$elements");
  if (!chain && !elements) return;
  if (chain && event::json_type(*chain) == event::JsonType::kString) {
    item.elements_chain = event::decode_string(*chain);
  } else if (elements && event::json_type(*elements) == event::JsonType::kArray) {
    item.elements_chain = elements_chain(*elements);
  }
  item.properties.erase("$elements_chain");
  item.properties.erase("$elements");
}

}  // namespace penstock::ingest
