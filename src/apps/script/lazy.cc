#include "apps/script/lazy.h"

#include <algorithm>

namespace penstock::apps {
namespace {

constexpr size_t kGoneMin = 32;  // fewer are not worth tidying up

bool is_gone(const Slot& slot) { return slot.state == Slot::State::kGone; }

}  // namespace

Slot* Lazy::find(std::string_view key) {
  if (slots.size() > kIndexFrom) {
    const auto found = index.find(key);
    return found == index.end() ? nullptr : &slots[found->second];
  }
  for (Slot& slot : slots) {
    if (slot.key.size() == key.size() && slot.key == key && !is_gone(slot)) return &slot;
  }
  return nullptr;
}

Slot& Lazy::add(std::string_view key) {
  slots.emplace_back().key = key;
  if (slots.size() == kIndexFrom + 1) {
    reindex();
  } else if (slots.size() > kIndexFrom) {
    index.emplace(key, slots.size() - 1);
  }
  return slots.back();
}

std::string_view Lazy::keep(std::string_view key) {
  own_keys.push_back(std::make_unique<std::string>(key));
  return *own_keys.back();
}

void Lazy::remove(Slot& slot) {
  index.erase(slot.key);
  slot.value = kUndefined;
  slot.inner.reset();
  slot.state = Slot::State::kGone;
  gone++;
  changed = true;
  if (gone >= kGoneMin && gone * 2 > slots.size()) compact();
}

bool Lazy::count(size_t bytes) {
  if (text->total + bytes > text->max) return false;
  text->total += bytes;
  counted += bytes;
  return true;
}

/// An app that adds and deletes all day holds no more than what is there.
void Lazy::compact() {
  std::erase_if(slots, is_gone);
  gone = 0;
  std::vector<std::unique_ptr<std::string>> kept;
  size_t bytes = slots.size() * sizeof(Slot);
  for (Slot& slot : slots) {
    kept.push_back(std::make_unique<std::string>(slot.key));
    slot.key = *kept.back();
    bytes += slot.key.size();
  }
  own_keys = std::move(kept);
  text->total += bytes;
  text->total -= counted;
  counted = bytes;
  reindex();
}

void Lazy::reindex() {
  index.clear();
  if (slots.size() <= kIndexFrom) return;
  for (size_t i = 0; i < slots.size(); i++) {
    if (!is_gone(slots[i])) index.emplace(slots[i].key, static_cast<uint32_t>(i));
  }
}

}  // namespace penstock::apps
