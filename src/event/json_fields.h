// Reading and rewriting JSON objects member by member, keeping untouched values as their own bytes.
//
// JsonFields splits one object into (key, raw value) pairs without building a tree: an event's
// properties are edited by replacing a few members and copying the rest verbatim. Validation is
// complete (grammar, depth, UTF-8) so that nothing malformed passes; duplicate keys: the last wins.
// Escapes of lone surrogates are made U+FFFD when values are written out. Not thread safe; a
// JsonFields borrows the text it parsed.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/result.h"
#include "event/json_scan.h"

namespace penstock::event {

enum class JsonType : uint8_t { kNull, kBool, kNumber, kString, kArray, kObject };

/// The type of a value from its first byte; `raw` must be one valid JSON value.
JsonType json_type(std::string_view raw);

/// kInvalid unless `text` is exactly one valid JSON value of depth at most kJsonDepthMax.
Status validate_json(std::string_view text);

/// Decodes a raw string value (with its quotes); escapes resolved, lone surrogates to U+FFFD.
std::string decode_string(std::string_view raw);
/// The string as JSON text with quotes; control characters and quotes escaped.
void append_json_string(std::string& out, std::string_view text);
/// A copy of `raw` with lone surrogate escapes replaced by \ufffd; the input when there are none.
std::string replace_lone_surrogates(std::string_view raw);

/// The raw elements of an array.
Result<std::vector<std::string_view>> split_array(std::string_view array_text);

class JsonFields {
 public:
  struct Field {
    std::string_view key;    // decoded
    std::string_view value;  // raw JSON text
  };

  /// Splits the members of an object. The text must outlive the JsonFields.
  static Result<JsonFields> parse(std::string_view object_text);
  /// The same; a member of this key that is an object is split into `inner` on the way, in place of
  /// looking through it twice. Without such a member `inner` is left empty.
  static Result<JsonFields> parse_with(std::string_view object_text, std::string_view key,
                                       JsonFields& inner);

  bool contains(std::string_view key) const { return find(key).has_value(); }
  /// Raw value of a key.
  std::optional<std::string_view> find(std::string_view key) const;
  /// Replaces or adds; the JsonFields keeps its own copies.
  void set(std::string_view key, std::string_view raw);
  /// The same without copies: both texts must outlive the JsonFields.
  void set_borrowed(std::string_view key, std::string_view raw);
  void set_string(std::string_view key, std::string_view text);
  bool erase(std::string_view key);
  const std::vector<Field>& fields() const { return fields_; }
  bool empty() const { return fields_.empty(); }

  /// Appends the object as compact-enough JSON: members in order, values as they are.
  void append_to(std::string& out) const;
  std::string text() const;
  /// The same of what this would be after each member of `over` was set.
  void append_overlaid(const JsonFields& over, std::string& out) const;

 private:
  /// Copies that live as long as the object, a few allocations for many of them.
  class Kept {
   public:
    Kept() = default;
    Kept(Kept&& other) noexcept { *this = std::move(other); }
    Kept& operator=(Kept&& other) noexcept {
      blocks_ = std::move(other.blocks_);
      free_ = std::exchange(other.free_, nullptr);
      left_ = std::exchange(other.left_, 0);
      return *this;
    }
    std::string_view copy(std::string_view text);

   private:
    std::vector<std::unique_ptr<char[]>> blocks_;
    char* free_ = nullptr;
    size_t left_ = 0;
  };

  struct Inner;

  /// Reads an object from where the scanner stands; its values may be this deep.
  static bool read(JsonScanner& in, size_t depth_left, JsonFields& out, const Inner* inner);
  bool read_member(JsonScanner& in, size_t depth_left, const Inner* inner);
  size_t position_of(std::string_view key) const;  // fields_.size() when absent
  void add(std::string_view key, std::string_view value);
  void forget(size_t at);
  void rebuild_index();
  bool lies_in_source(const Field& field) const;
  void append_fields(const std::vector<Field>& fields, bool plain, std::string& out) const;

  std::vector<Field> fields_;
  /// A table of few members, by hash of the key, each slot taken by the next when it is not free:
  /// 0 free, kGone once taken, else a place in `fields_` plus 1.
  static constexpr size_t kSlots = 256;
  static constexpr uint8_t kGone = 255;
  std::array<uint8_t, kSlots> slots_{};
  size_t gone_ = 0;
  // Above kIndexFrom members another table finds keys, so that an object of a million stays linear.
  std::unordered_map<std::string_view, size_t> index_;
  std::string_view source_;  // what was parsed
  /// Every member is written as it is: no key needs escapes, no value holds a lone surrogate.
  bool plain_ = true;
  Kept kept_;
};

}  // namespace penstock::event
