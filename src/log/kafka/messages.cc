#include "log/kafka/messages.h"

#include <algorithm>
#include <optional>

#include "base/assert.h"
#include "base/codec.h"

namespace penstock::log::kafka {
namespace {

constexpr int64_t kNull = -1;

size_t text_size(std::string_view text) {
  return zigzag_size(static_cast<int64_t>(text.size())) + text.size();
}

size_t text_size(const std::optional<std::string_view>& text) {
  return text ? text_size(*text) : zigzag_size(kNull);
}

void put(FixedWriter& w, std::string_view text) {
  w.zigzag(static_cast<int64_t>(text.size()));
  w.raw(text.data(), text.size());
}

void put(FixedWriter& w, const std::optional<std::string_view>& text) {
  if (text) return put(w, *text);
  w.zigzag(kNull);
}

}  // namespace

void append_message(const MessageText& m, Messages& out) {
  const auto key = m.keyed ? std::optional<std::string_view>(m.key) : std::nullopt;
  const auto headers = static_cast<int64_t>(m.headers.size());
  size_t size = text_size(key) + text_size(std::string_view(m.value)) + zigzag_size(headers);
  for (const auto& [name, value] : m.headers) size += text_size(name) + text_size(value);
  const size_t before = out.text.size(), after = before + size;
  if (after > out.text.capacity()) out.text.reserve(std::max(after, 2 * out.text.capacity()));
  out.text.resize_and_overwrite(after, [&](char* data, size_t) {
    FixedWriter w(data + before);
    put(w, key);
    put(w, std::string_view(m.value));
    w.zigzag(headers);
    for (const auto& [name, value] : m.headers) {
      put(w, name);
      put(w, value);
    }
    PENSTOCK_ASSERT(w.at() == data + after);
    return after;
  });
  out.ends.push_back(static_cast<uint32_t>(after));
}

bool write_messages(const MessageCodec& codec, std::string_view topic,
                    std::span<const std::string_view> records, size_t bytes, Messages& out) {
  thread_local MessageText message;
  out.text.reserve(bytes);
  out.ends.reserve(records.size());
  for (const std::string_view record : records) {
    message.keyed = false;
    message.headers.clear();
    if (!codec.write(topic, record, message)) return false;
    append_message(message, out);
  }
  return true;
}

}  // namespace penstock::log::kafka
