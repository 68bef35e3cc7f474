// Regular expressions of Hog: RE2's, compiled once per machine. Private to the room.
#pragma once

#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

namespace re2 {
class RE2;
}

namespace penstock::hog {

/// Remembers the expressions that were used last. Not thread safe. Throws Failure for a bad one.
class RegexCache {
 public:
  RegexCache();
  ~RegexCache();
  bool matches(std::string_view pattern, std::string_view text, bool any_case = false);
  /// The first group, else the whole match, else nothing.
  std::string extract(std::string_view pattern, std::string_view text);
  /// LIKE: % and _, found anywhere in the text.
  bool like(std::string_view pattern, std::string_view text, bool any_case);

  static constexpr size_t kKept = 256;
  static constexpr size_t kPatternBytesMax = 64 << 10;

 private:
  const re2::RE2& get(const std::string& key, std::string_view pattern, bool any_case);

  struct Kept;
  std::list<Kept> kept_;  // last used first
  std::unordered_map<std::string_view, std::list<Kept>::iterator> by_key_;
  std::string scratch_;
};

}  // namespace penstock::hog
