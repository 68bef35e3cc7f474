#include "event/json_index.h"

#include <emmintrin.h>
#include <simdjson.h>

#include <algorithm>
#include <array>
#include <bit>

namespace penstock::event {
namespace {

constexpr size_t kFirstBytes = 16U << 10;
constexpr size_t kBlock = 64;

}  // namespace

struct JsonIndex::Stage {
  std::unique_ptr<simdjson::internal::dom_parser_implementation> parser;
};

JsonIndex::JsonIndex() : stage_(std::make_unique<Stage>()) {}
JsonIndex::~JsonIndex() = default;

bool JsonIndex::read(std::string_view text) {
  if (text.empty() || text.size() > kBytesMax) return false;
  auto& parser = stage_->parser;
  if (!parser || parser->capacity() < text.size()) {
    const size_t room = std::bit_ceil(std::max(text.size(), kFirstBytes));
    // Only its first stage is used, which does not care for depth.
    if (simdjson::get_active_implementation()->create_dom_parser_implementation(room, 1, parser) !=
        simdjson::SUCCESS) {
      return false;
    }
  }
  if (parser->stage1(reinterpret_cast<const uint8_t*>(text.data()), text.size(),
                     simdjson::stage1_mode::regular) != simdjson::SUCCESS) {
    return false;
  }
  if (!read_escapes(text)) return false;
  text_ = text;
  found_ = {parser->structural_indexes.get(), parser->n_structural_indexes};
  return true;
}

/// False where a backslash begins no escape that JSON knows. One outside a string belongs to a
/// value that is none, and the walk finds that. Attributes of elements are full of escaped quotes,
/// so one is often near the next: blocks are looked at whole, and not once for every escape.
bool JsonIndex::read_escapes(std::string_view text) {
  escapes_.clear();
  size_t next = 0;  // after the last escape: its second character may be a backslash as well
  const auto add = [&](size_t at) {
    if (at < next) return true;
    const size_t size = json_escape_size(text.substr(at));
    escapes_.push_back(static_cast<uint32_t>(at));
    next = at + size;
    return size > 0;
  };
  const __m128i slash = _mm_set1_epi8('\\');
  size_t at = 0;
  for (; at + kBlock <= text.size(); at += kBlock) {
    uint64_t mask = 0;
    for (size_t i = 0; i < kBlock; i += sizeof slash) {
      const char* p = text.data() + at + i;
      const __m128i part = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
      mask |= uint64_t{static_cast<uint32_t>(_mm_movemask_epi8(_mm_cmpeq_epi8(part, slash)))} << i;
    }
    for (; mask != 0; mask &= mask - 1) {
      if (!add(at + static_cast<size_t>(std::countr_zero(mask)))) return false;
    }
  }
  for (; at < text.size(); at++) {
    if (text[at] == '\\' && !add(at)) return false;
  }
  escapes_.push_back(kNoEscape);
  return true;
}

bool JsonWalker::container(std::string_view& raw, size_t depth_left) {
  const char* begin = next_begin();
  std::array<char, kJsonDepthMax> closing;  // of the containers that are open
  depth_left = std::min(depth_left, closing.size());
  size_t depth = 0;
  for (;;) {
    const char c = peek();
    if (c == '{' || c == '[') {
      if (depth == depth_left) return false;
      at_++;
      const char close = c == '{' ? '}' : ']';
      if (!accept(close)) {
        closing[depth++] = close;
        if (c == '{' && !key_and_colon()) return false;
        continue;
      }
    } else if (c == '"') {
      at_++;  // that it ends is known
    } else if (std::string_view ignored; !scalar(ignored)) {
      return false;
    }
    while (depth > 0 && accept(closing[depth - 1])) depth--;
    if (depth == 0) {
      raw = {begin, static_cast<size_t>(last_end() - begin)};
      return true;
    }
    if (!accept(',')) return false;
    if (closing[depth - 1] == '}' && !key_and_colon()) return false;
  }
}

}  // namespace penstock::event
