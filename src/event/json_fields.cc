#include "event/json_fields.h"

#include <emmintrin.h>
#include <simdjson.h>

#include <algorithm>
#include <cstring>

#include "base/json_writer.h"

namespace penstock::event {
namespace {

constexpr size_t kIndexFrom = 128;
constexpr size_t kKeptBlock = 1024;
/// Room is made for so many members at first: one for so many bytes of text, within bounds.
constexpr size_t kBytesAMember = 32, kFieldsAtFirstMax = 64;

/// Which bit of the filter stands for a key: its length and its first and last eight bytes.
uint32_t filter_bit(std::string_view key) {
  uint64_t first = 0, last = 0;
  if (key.size() >= 8) {
    std::memcpy(&first, key.data(), 8);
    std::memcpy(&last, key.data() + key.size() - 8, 8);
  } else if (key.size() >= 4) {
    std::memcpy(&first, key.data(), 4);
    std::memcpy(&last, key.data() + key.size() - 4, 4);
  } else {
    for (const char c : key) first = first << 8 | static_cast<uint8_t>(c);
  }
  const uint64_t mixed = (first ^ (last << 1 | last >> 63) ^ key.size()) * 0x9e3779b97f4a7c15ULL;
  return static_cast<uint32_t>(mixed >> 54);  // 10 bits
}

/// Text that needs no escaping in JSON: nearly every key.
bool is_plain(std::string_view text) {
  const auto plain = [](char c) {
    return c != '"' && c != '\\' && static_cast<unsigned char>(c) - 0x20U < 0x5fU;
  };
  const __m128i quote = _mm_set1_epi8('"'), slash = _mm_set1_epi8('\\');
  // Signed: what is beyond ASCII is below a space too.
  const __m128i space = _mm_set1_epi8(0x20), high = _mm_set1_epi8(0x7f);
  while (text.size() >= 16) {
    const __m128i block = _mm_loadu_si128(reinterpret_cast<const __m128i*>(text.data()));
    const __m128i odd =
        _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(block, quote), _mm_cmpeq_epi8(block, slash)),
                     _mm_or_si128(_mm_cmpgt_epi8(space, block), _mm_cmpeq_epi8(block, high)));
    if (_mm_movemask_epi8(odd) != 0) return false;
    text.remove_prefix(16);
  }
  return std::ranges::all_of(text, plain);
}

bool is_utf8(std::string_view text) { return simdjson::validate_utf8(text.data(), text.size()); }

uint32_t hex4(std::string_view digits) {
  uint32_t v = 0;
  for (const char c : digits.substr(0, 4)) {
    v = v * 16 + static_cast<uint32_t>(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
  }
  return v;
}

bool is_high(uint32_t c) { return c >= 0xd800 && c <= 0xdbff; }
bool is_low(uint32_t c) { return c >= 0xdc00 && c <= 0xdfff; }

void append_utf8(std::string& out, uint32_t c) {
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += static_cast<char>(0xc0 | (c >> 6));
    out += static_cast<char>(0x80 | (c & 0x3f));
  } else if (c < 0x10000) {
    out += static_cast<char>(0xe0 | (c >> 12));
    out += static_cast<char>(0x80 | ((c >> 6) & 0x3f));
    out += static_cast<char>(0x80 | (c & 0x3f));
  } else {
    out += static_cast<char>(0xf0 | (c >> 18));
    out += static_cast<char>(0x80 | ((c >> 12) & 0x3f));
    out += static_cast<char>(0x80 | ((c >> 6) & 0x3f));
    out += static_cast<char>(0x80 | (c & 0x3f));
  }
}

/// Surrogate escapes are rare; a cheap look decides whether a value needs a careful copy.
bool may_be_lone(std::string_view value) {
  const size_t escape = value.find('\\');
  return escape != std::string_view::npos &&
         (value.find("\\ud", escape) != std::string_view::npos ||
          value.find("\\uD", escape) != std::string_view::npos);
}

/// Decodes the \u escape at `at` (the backslash), pairing surrogates; moves past it.
void append_unicode_escape(std::string& out, std::string_view text, size_t& at) {
  const uint32_t first = hex4(text.substr(at + 2));
  at += 6;
  if (!is_high(first) && !is_low(first)) return append_utf8(out, first);
  if (is_high(first) && text.substr(at).starts_with("\\u")) {
    const uint32_t second = hex4(text.substr(at + 2));
    if (is_low(second)) {
      at += 6;
      return append_utf8(out, 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00));
    }
  }
  append_utf8(out, 0xfffd);
}

char simple_escape(char c) {
  switch (c) {
    case 'b': return '\b';
    case 'f': return '\f';
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    default: return c;
  }
}

}  // namespace

JsonType json_type(std::string_view raw) {
  switch (raw.empty() ? 'n' : raw.front()) {
    case '{': return JsonType::kObject;
    case '[': return JsonType::kArray;
    case '"': return JsonType::kString;
    case 't':
    case 'f': return JsonType::kBool;
    case 'n': return JsonType::kNull;
    default: return JsonType::kNumber;
  }
}

Status validate_json(std::string_view text) {
  JsonScanner scanner(text);
  std::string_view raw;
  if (!is_utf8(text)) return fail(Code::kInvalid, "the text is not UTF-8");
  if (!scanner.value(raw) || !scanner.at_end()) return fail(Code::kInvalid, "the text is not JSON");
  return {};
}

std::string decode_string(std::string_view raw) {
  std::string_view text = raw.substr(1, raw.size() - 2);
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size();) {
    const size_t slash = std::min(text.find('\\', i), text.size());
    out.append(text, i, slash - i);
    i = slash;
    if (i == text.size()) break;
    if (text[i + 1] == 'u') {
      append_unicode_escape(out, text, i);
    } else {
      out += simple_escape(text[i + 1]);
      i += 2;
    }
  }
  return out;
}

void append_json_string(std::string& out, std::string_view text) {
  if (!is_plain(text)) return append_json_escaped(out, text);
  out += '"';
  out += text;
  out += '"';
}

std::string replace_lone_surrogates(std::string_view raw) {
  std::string out(raw);
  for (size_t i = out.find('\\'); i != std::string::npos; i = out.find('\\', i)) {
    if (out[i + 1] != 'u') {
      i += 2;
      continue;
    }
    const uint32_t c = hex4(std::string_view(out).substr(i + 2));
    const bool paired = is_high(c) && std::string_view(out).substr(i + 6).starts_with("\\u") &&
                        is_low(hex4(std::string_view(out).substr(i + 8)));
    if (!paired && (is_high(c) || is_low(c))) out.replace(i, 6, "\\ufffd");
    i += paired ? 12 : 6;
  }
  return out;
}

Result<std::vector<std::string_view>> split_array(std::string_view array_text) {
  std::vector<std::string_view> out;
  JsonScanner scanner(array_text);
  if (!is_utf8(array_text) || !scanner.accept('[')) return fail(Code::kInvalid, "not an array");
  if (scanner.accept(']') && scanner.at_end()) return out;
  for (;;) {
    std::string_view raw;
    if (!scanner.value(raw)) return fail(Code::kInvalid, "a malformed array");
    out.push_back(raw);
    if (scanner.accept(',')) continue;
    if (scanner.accept(']') && scanner.at_end()) return out;
    return fail(Code::kInvalid, "a malformed array");
  }
}

Result<JsonFields> JsonFields::parse(std::string_view object_text) {
  JsonFields out;
  if (!is_utf8(object_text)) return fail(Code::kInvalid, "the text is not UTF-8");
  out.fields_.reserve(std::min(object_text.size() / kBytesAMember + 4, kFieldsAtFirstMax));
  JsonScanner scanner(object_text);
  if (!scanner.accept('{')) return fail(Code::kInvalid, "a JSON object is expected");
  if (scanner.accept('}')) {
    if (!scanner.at_end()) return fail(Code::kInvalid, "text follows the JSON object");
    return out;
  }
  for (;;) {
    std::string_view key, value;
    bool escaped = false;
    if (!scanner.string(key, escaped) || !scanner.accept(':') || !scanner.value(value)) {
      return fail(Code::kInvalid, "malformed JSON");
    }
    std::string_view name = key.substr(1, key.size() - 2);
    if (escaped) name = out.kept_.copy(decode_string(key));
    const size_t at = out.position_of(name);
    if (at < out.fields_.size()) {
      out.fields_[at].value = value;
    } else {
      out.add(name, value);
    }
    if (scanner.accept(',')) continue;
    if (scanner.accept('}') && scanner.at_end()) return out;
    return fail(Code::kInvalid, "malformed JSON");
  }
}

std::string_view JsonFields::Kept::copy(std::string_view text) {
  if (text.size() > left_) {
    const size_t size = std::max(kKeptBlock, text.size());
    blocks_.push_back(std::make_unique_for_overwrite<char[]>(size));
    // A large text has a block of its own; the one in use goes on being filled.
    if (text.size() >= kKeptBlock) {
      std::memcpy(blocks_.back().get(), text.data(), text.size());
      return {blocks_.back().get(), text.size()};
    }
    free_ = blocks_.back().get();
    left_ = size;
  }
  if (!text.empty()) std::memcpy(free_, text.data(), text.size());
  const std::string_view copied(free_, text.size());
  free_ += text.size();
  left_ -= text.size();
  return copied;
}

size_t JsonFields::position_of(std::string_view key) const {
  const uint32_t bit = filter_bit(key);
  if ((seen_[bit >> 6] >> (bit & 63) & 1) == 0) return fields_.size();
  if (!index_.empty()) {
    const auto it = index_.find(key);
    return it == index_.end() ? fields_.size() : it->second;
  }
  for (size_t i = 0; i < fields_.size(); i++) {
    if (fields_[i].key == key) return i;
  }
  return fields_.size();
}

void JsonFields::add(std::string_view key, std::string_view value) {
  const uint32_t bit = filter_bit(key);
  seen_[bit >> 6] |= 1ULL << (bit & 63);
  fields_.push_back({key, value});
  if (fields_.size() < kIndexFrom) return;
  if (index_.empty()) return rebuild_index();
  index_.emplace(key, fields_.size() - 1);
}

void JsonFields::rebuild_index() {
  index_.clear();
  if (fields_.size() < kIndexFrom) return;
  for (size_t i = 0; i < fields_.size(); i++) index_.emplace(fields_[i].key, i);
}

std::optional<std::string_view> JsonFields::find(std::string_view key) const {
  const size_t at = position_of(key);
  if (at == fields_.size()) return std::nullopt;
  return fields_[at].value;
}

void JsonFields::set(std::string_view key, std::string_view raw) {
  const size_t at = position_of(key);
  if (at < fields_.size()) {
    fields_[at].value = kept_.copy(raw);
  } else {
    const std::string_view name = kept_.copy(key);
    add(name, kept_.copy(raw));
  }
}

void JsonFields::set_borrowed(std::string_view key, std::string_view raw) {
  const size_t at = position_of(key);
  if (at < fields_.size()) {
    fields_[at].value = raw;
  } else {
    add(key, raw);
  }
}

void JsonFields::set_string(std::string_view key, std::string_view text) {
  std::string raw;
  append_json_string(raw, text);
  set(key, raw);
}

bool JsonFields::erase(std::string_view key) {
  const size_t at = position_of(key);
  if (at == fields_.size()) return false;
  fields_.erase(fields_.begin() + static_cast<std::ptrdiff_t>(at));
  if (!index_.empty()) rebuild_index();
  return true;
}

void JsonFields::append_member(std::string& out, std::string_view key, std::string_view value) {
  if (out.back() != '{') out += ',';
  append_json_string(out, key);
  out += ':';
  if (may_be_lone(value)) {
    out += replace_lone_surrogates(value);
  } else {
    out += value;
  }
}

void JsonFields::append_to(std::string& out) const {
  constexpr size_t kAround = 4;  // quotes, colon, comma
  size_t bytes = fields_.empty() ? 2 : 1;
  bool plain = true;
  for (const Field& field : fields_) {
    bytes += field.key.size() + field.value.size() + kAround;
    plain = plain && is_plain(field.key) && !may_be_lone(field.value);
  }
  const size_t before = out.size();
  if (!plain) {
    out += '{';
    for (const Field& field : fields_) append_member(out, field.key, field.value);
    out += '}';
    return;
  }
  // The rule: every byte is known, so they are put down in one go.
  if (out.capacity() < before + bytes) out.reserve(std::max(before + bytes, 2 * out.capacity()));
  out.resize_and_overwrite(before + bytes, [&](char* text, size_t size) {
    char* at = text + before;
    *at++ = '{';
    for (const Field& field : fields_) {
      *at++ = '"';
      at = std::ranges::copy(field.key, at).out;
      *at++ = '"';
      *at++ = ':';
      at = std::ranges::copy(field.value, at).out;
      *at++ = ',';
    }
    if (!fields_.empty()) at--;
    *at = '}';
    return size;
  });
}

std::string JsonFields::text() const {
  std::string out;
  append_to(out);
  return out;
}

}  // namespace penstock::event
