// JSON for fuzz drivers: mutations of tokens instead of bytes, so that most inputs still parse.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "fuzz/fuzz.h"

namespace penstock::fuzz {

inline std::vector<std::string> json_tokens(std::string_view text) {
  std::vector<std::string> out;
  for (size_t at = 0; at < text.size();) {
    size_t end = at + 1;
    const auto is_word = [](char c) {
      return c == '-' || c == '+' || c == '.' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
             (c >= 'A' && c <= 'Z');
    };
    if (text[at] == '"') {
      while (end < text.size() && text[end] != '"') end += text[end] == '\\' ? 2 : 1;
      end = std::min(end + 1, text.size());
    } else if (is_word(text[at])) {
      while (end < text.size() && is_word(text[end])) end++;
    }
    out.emplace_back(text.substr(at, end - at));
    at = end;
  }
  return out;
}

inline constexpr std::array<std::string_view, 66> kJsonWords{
    R"("event")",
    R"("distinct_id")",
    R"("properties")",
    R"("$set")",
    R"("$set_once")",
    R"("uuid")",
    R"("timestamp")",
    R"("offset")",
    R"("sent_at")",
    R"("batch")",
    R"("api_key")",
    R"("token")",
    R"("$token")",
    R"("$session_id")",
    R"("$cookieless_mode")",
    R"("historical_migration")",
    R"("$ignore_sent_at")",
    R"("$distinct_id")",
    R"("$snapshot_data")",
    R"("$window_id")",
    R"("groups")",
    R"("person_properties")",
    R"("options")",
    R"("created_at")",
    R"("$snapshot_items")",
    R"("$snapshot_source")",
    R"("flag_keys_to_evaluate")",
    R"("$device_id")",
    R"("disable_flags")",
    R"("product_tour_id")",
    R"("process_person_profile")",
    R"("\u0061pi_key")",
    R"("phc_fuzz0000000000000000000000000000000000000")",
    R"("$pageview")",
    R"("$identify")",
    R"("$$heatmap")",
    R"("$performance_event")",
    R"("$snapshot")",
    R"("0190a3b1-7c2d-7e3f-8a4b-5c6d7e8f9012")",
    R"("2026-11-25T10:00:00.000Z")",
    R"("2026-11-25T10:00:00+14:00")",
    R"("\ud83d\ude00")",
    R"("\ud83d")",
    R"("\u0000")",
    R"("\"\\\/\b")",
    R"("")",
    "null",
    "true",
    "false",
    "0",
    "-0",
    "1e400",
    "-1e-400",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551616",
    "0.1",
    "1.7976931348623157e308",
    "{}",
    "[]",
    "{\"a\":[{}]}",
    "[[[[[[[[[[[[[[[[",
    "]]]]]]]]]]]]]]]]",
    ",",
    ":",
    "\xf0\x9f\x98\x80",
};

/// One to four mutations of tokens, or, one time in four, of bytes.
inline void mutate_json(std::string& text, size_t size_max, unsigned seed) {
  std::minstd_rand random(seed);
  if (random() % 4 == 0) return mutate_bytes(text, size_max);
  std::vector<std::string> tokens = json_tokens(text);
  for (size_t n = 1 + random() % 4; n > 0; n--) {
    if (tokens.empty()) tokens.emplace_back("{}");
    const size_t at = random() % tokens.size(), other = random() % tokens.size();
    const auto where = tokens.begin() + static_cast<std::ptrdiff_t>(at);
    const std::string word(kJsonWords[random() % kJsonWords.size()]);
    switch (random() % 9) {
      case 0: tokens.erase(where); break;
      case 1: tokens.insert(where, tokens[other]); break;
      case 2: std::swap(tokens[at], tokens[other]); break;
      case 3: tokens[at] = word; break;
      case 4: tokens.insert(where, word); break;
      case 5: {  // a run of tokens once more
        const size_t count = std::min<size_t>(1 + random() % 40, tokens.size() - other);
        const std::vector<std::string> run(
            tokens.begin() + static_cast<std::ptrdiff_t>(other),
            tokens.begin() + static_cast<std::ptrdiff_t>(other + count));
        tokens.insert(where, run.begin(), run.end());
        break;
      }
      case 6: {  // deep around the token, about as deep as is allowed or deeper
        const size_t depth = random() % 4 == 0 ? random() % 2000 : 100 + random() % 60;
        const bool object = random() % 2 == 0;
        for (size_t i = 0; i < depth; i++) {
          tokens[at].insert(0, object ? R"({"a":)" : "[");
          tokens[at] += object ? '}' : ']';
        }
        break;
      }
      case 7: {  // as many digits
        tokens[at] = std::string(1 + random() % 400, static_cast<char>('0' + random() % 10));
        if (random() % 2 == 0)
          tokens[at].insert(tokens[at].size() / 2, random() % 2 == 0 ? "." : "e");
        break;
      }
      default: mutate_bytes(tokens[at], tokens[at].size() + 8); break;
    }
  }
  text.clear();
  for (const std::string& token : tokens) text += token;
  if (text.size() > size_max) text.resize(size_max);
}

/// The mutator of drivers whose input is `choices` bytes and then JSON.
inline size_t mutate_request(uint8_t* data, size_t size, size_t size_max, unsigned seed,
                             size_t choices) {
  if (size <= choices || seed % 8 == 0) return LLVMFuzzerMutate(data, size, size_max);
  std::string body(text_of(data + choices, size - choices));
  mutate_json(body, size_max - choices, seed / 8);
  return choices + give_back(body, data + choices, size_max - choices);
}

}  // namespace penstock::fuzz
