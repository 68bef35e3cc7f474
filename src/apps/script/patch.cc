#include "apps/script/patch.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace penstock::apps {
namespace {

uint64_t word_at(const char* at) {
  uint64_t out = 0;
  std::memcpy(&out, at, sizeof out);
  return out;
}

size_t same_in_front(std::string_view a, std::string_view b) {
  const size_t size = std::min(a.size(), b.size());
  size_t at = 0;
  for (; at + sizeof(uint64_t) <= size; at += sizeof(uint64_t)) {
    const uint64_t differ = word_at(a.data() + at) ^ word_at(b.data() + at);
    if (differ != 0) return at + static_cast<size_t>(std::countr_zero(differ)) / 8;
  }
  while (at < size && a[at] == b[at]) at++;
  return at;
}

}  // namespace

std::string NewText::whole(std::string_view before) const {
  std::string out;
  out.reserve(size());
  out.append(before.substr(0, front)).append(between);
  return out.append(before.substr(before.size() - behind));
}

void NewText::put_members(std::string_view before, std::string_view members) {
  const size_t end = properties_end;
  if (end < front) {
    between.insert(0, before.substr(end, front - end));
    front = end;
  }
  if (const size_t known = front + between.size(); end > known) {
    between.append(before.substr(before.size() - behind, end - known));
    behind -= end - known;
  }
  const auto at = [&](size_t place) {
    return place < front ? before[place] : between[place - front];
  };
  size_t last = end;
  while (last > 0 && std::string_view(" \n\r\t").contains(at(last - 1))) last--;
  const bool first = last > 0 && at(last - 1) == '{';
  between.insert(end - front, first ? 0 : 1, ',');
  between.insert(end - front + (first ? 0 : 1), members);
}

void put_patch(ByteWriter& out, const NewText& text) {
  out.varint(text.front);
  out.varint(text.behind);
  out.bytes(text.between);
}

void put_patch(ByteWriter& out, std::string_view before, std::string_view after) {
  const size_t front = same_in_front(before, after);
  const size_t behind = same_behind(before.substr(front), after.substr(front));
  out.varint(front);
  out.varint(behind);
  out.bytes(after.substr(front, after.size() - front - behind));
}

size_t same_behind(std::string_view a, std::string_view b) {
  const size_t size = std::min(a.size(), b.size());
  size_t at = 0;
  for (; at + sizeof(uint64_t) <= size; at += sizeof(uint64_t)) {
    const uint64_t differ = word_at(a.data() + a.size() - at - sizeof(uint64_t)) ^
                            word_at(b.data() + b.size() - at - sizeof(uint64_t));
    if (differ != 0) return at + static_cast<size_t>(std::countl_zero(differ)) / 8;
  }
  while (at < size && a[a.size() - at - 1] == b[b.size() - at - 1]) at++;
  return at;
}

Patch read_patch(ByteReader& in) {
  Patch out;
  out.front = in.varint();
  out.behind = in.varint();
  out.between = in.bytes();
  return out;
}

std::optional<std::string> patched(std::string_view before, const Patch& patch) {
  if (!patch.fits(before.size())) return std::nullopt;
  std::string out;
  out.reserve(patch.front + patch.between.size() + patch.behind);
  out.append(before.substr(0, patch.front));
  out.append(patch.between);
  out.append(before.substr(before.size() - patch.behind));
  return out;
}

}  // namespace penstock::apps
