#include "publish/row_message.h"

#include <array>

#include "base/codec.h"

namespace penstock::publish {
namespace {

constexpr std::array<std::string_view, 3> kProducts{"", "general", "llma"};

std::string of_project(ProjectId project, std::string_view rest) {
  return std::to_string(project.value) + ":" + std::string(rest);
}

std::string key(const event::Outcome& o) { return o.uuid.text(); }
std::string key(const event::PersonChange& p) { return p.id.text(); }
std::string key(const event::DistinctIdChange& d) { return of_project(d.project, d.distinct_id); }
std::string key(const event::GroupChange& g) {
  return of_project(g.project, std::to_string(g.type_index) + ":" + std::string(g.key));
}
template <typename Other>
std::string key(const Other&) {
  return {};
}

}  // namespace

void encode(const RowMessage& message, std::string& out) {
  ByteWriter w(out);
  uint8_t product = 0;
  while (product + 1U < kProducts.size() && kProducts[product] != message.product) product++;
  w.u8(product);
  w.bytes(message.key);
  out.append(message.text);
}

Result<RowMessage> decode_row_message(std::string_view bytes) {
  ByteReader r(bytes);
  RowMessage out;
  const uint8_t product = r.u8();
  out.key = r.bytes();
  if (!r.ok() || product >= kProducts.size()) {
    return fail(Code::kCorrupt, "not a message for a ClickHouse topic");
  }
  out.product = kProducts[product];
  out.text = bytes.substr(1 + bytes_size(out.key));
  return out;
}

std::string_view product_of(std::string_view event) {
  return event.starts_with("$ai_") ? kProducts[2] : kProducts[1];
}

std::string key_of(const event::ProcessedRecord& record) {
  return std::visit([](const auto& r) { return key(r); }, record);
}

}  // namespace penstock::publish
