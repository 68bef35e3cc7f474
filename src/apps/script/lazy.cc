#include "apps/script/lazy.h"

#include <algorithm>

namespace penstock::apps {
namespace {

constexpr size_t kGoneMin = 32;  // fewer are not worth tidying up

constexpr size_t kSpareMax = 64, kSpareSlotsMax = 256;

thread_local std::vector<std::unique_ptr<Lazy>> spare;

constexpr size_t kSpareTextMax = 16384;
thread_local std::vector<std::string> spare_texts;  // empty ones, with room

bool is_gone(const Slot& slot) { return slot.state == Slot::State::kGone; }

}  // namespace

LazyText::LazyText(std::string_view content, size_t& in_use, size_t in_use_max)
    : total(in_use), max(in_use_max) {
  if (!spare_texts.empty()) {
    text = std::move(spare_texts.back());
    spare_texts.pop_back();
  }
  text.assign(content);
  total += text.size();
}

LazyText::~LazyText() {
  total -= text.size();
  if (text.capacity() > kSpareTextMax || spare_texts.size() >= kSpareMax) return;
  spare_texts.push_back(std::move(text));
}

LazyPtr new_lazy() {
  if (spare.empty()) return LazyPtr(new Lazy());
  LazyPtr out(spare.back().release());
  spare.pop_back();
  return out;
}

void LazyFree::operator()(Lazy* lazy) const {
  std::unique_ptr<Lazy> kept(lazy);
  if (spare.size() >= kSpareMax || kept->slots.capacity() > kSpareSlotsMax) return;
  kept->clear();
  spare.push_back(std::move(kept));
}

void Lazy::clear() {
  if (text) text->total -= counted;
  text.reset();
  raw = {};
  slots.clear();
  own_keys.clear();
  index.reset();
  gone = counted = 0;
  changed = ordinary = closed = twins = lists = false;
}

Slot* Lazy::find(std::string_view key, uint32_t hash) {
  if (slots.size() > kIndexFrom) {
    if (index == nullptr) reindex();
    const auto found = index->find(key);
    return found == index->end() ? nullptr : &slots[found->second];
  }
  for (Slot& slot : slots) {
    if (slot.hash == hash && slot.key == key && !is_gone(slot)) return &slot;
  }
  return nullptr;
}

std::string_view Lazy::keep(std::string_view key) {
  own_keys.push_back(std::make_unique<std::string>(key));
  return *own_keys.back();
}

void Lazy::remove(Slot& slot) {
  if (index) index->erase(slot.key);
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
  index.reset();
}

void Lazy::reindex() {
  index = std::make_unique<std::unordered_map<std::string_view, uint32_t>>();
  for (size_t i = 0; i < slots.size(); i++) {
    if (!is_gone(slots[i])) index->emplace(slots[i].key, static_cast<uint32_t>(i));
  }
}

}  // namespace penstock::apps
