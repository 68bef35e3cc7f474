#include "runtime/sim/inode.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

namespace penstock::runtime {
namespace {

constexpr unsigned kSectors = Inode::kPage / Inode::kSector;
constexpr uint64_t kWriteBackPercent = 30;

uint8_t bit_of(unsigned sector) { return static_cast<uint8_t>(1U << sector); }

}  // namespace

size_t Inode::read(std::span<char> out, uint64_t at) const {
  if (at >= size_) return 0;
  const size_t total = std::min<uint64_t>(out.size(), size_ - at);
  size_t done = 0;
  while (done < total) {
    const uint64_t index = (at + done) / kPage;
    const uint64_t inside = (at + done) % kPage;
    const size_t n = std::min<uint64_t>(total - done, kPage - inside);
    const auto page = pages_.find(index);
    if (page == pages_.end()) {
      std::memset(out.data() + done, 0, n);
    } else {
      std::memcpy(out.data() + done, page->second.now.data() + inside, n);
    }
    done += n;
  }
  return total;
}

Inode::Page& Inode::touch(uint64_t index) {
  Page& page = pages_[index];
  if (page.durable == nullptr) page.durable = std::make_unique<Bytes>(page.now);
  return page;
}

void Inode::make_durable(Page& page, unsigned sector) {
  std::memcpy(page.durable->data() + sector * kSector, page.now.data() + sector * kSector, kSector);
}

void Inode::write(std::string_view data, uint64_t at, Chance& dice) {
  size_t done = 0;
  while (done < data.size()) {
    const uint64_t inside = (at + done) % kPage;
    const size_t n = std::min<uint64_t>(data.size() - done, kPage - inside);
    Page& page = touch((at + done) / kPage);
    if (page.dirty == 0) dirty_.push_back((at + done) / kPage);
    const auto first = static_cast<unsigned>(inside / kSector);
    const auto last = static_cast<unsigned>((inside + n - 1) / kSector);
    for (unsigned s = first; s <= last; s++) {
      const uint8_t bit = bit_of(s);
      // The version in between may have reached the disk.
      if ((page.dirty & bit) != 0 && dice.percent(kWriteBackPercent)) make_durable(page, s);
      page.dirty = static_cast<uint8_t>(page.dirty | bit);
      page.lost = static_cast<uint8_t>(page.lost & ~bit);
    }
    std::memcpy(page.now.data() + inside, data.data() + done, n);
    done += n;
  }
  size_ = std::max<uint64_t>(size_, at + data.size());
}

void Inode::reserve(uint64_t size) {
  reserved_ = std::max(reserved_, size);
  size_ = std::max(size_, size);
}

void Inode::truncate(uint64_t size, Chance& dice) {
  if (size < size_) {
    // What is cut reads as zeros should the file grow again, durably only after a sync.
    const uint64_t end = size_;
    auto page = pages_.lower_bound(size / kPage);
    for (; page != pages_.end() && page->first * kPage < end; ++page) {
      const uint64_t from = std::max(size, page->first * kPage);
      const uint64_t to = std::min(end, (page->first + 1) * kPage);
      if (from < to) write(std::string(to - from, '\0'), from, dice);
    }
    reserved_ = std::min(reserved_, size);
    cut_ = true;
  }
  size_ = size;
}

void Inode::sync() {
  for (const uint64_t index : dirty_) {
    Page& page = pages_.at(index);
    for (unsigned s = 0; s < kSectors; s++) {
      if ((page.dirty & bit_of(s)) != 0) make_durable(page, s);
    }
    page.dirty = 0;
    if (page.lost == 0) page.durable.reset();
  }
  dirty_.clear();
  durable_size_ = size_;
  if (!std::exchange(cut_, false)) return;
  // Pages behind the end give their room back.
  std::erase_if(pages_, [this](const auto& entry) {
    return entry.first * kPage >= size_ && entry.second.durable == nullptr;
  });
}

void Inode::sync_failed() {
  for (const uint64_t index : dirty_) {
    Page& page = pages_.at(index);
    page.lost = static_cast<uint8_t>(page.lost | page.dirty);
    page.dirty = 0;
  }
  dirty_.clear();
}

void Inode::crash(Chance& dice, uint64_t keep_percent, bool whole_pages) {
  for (auto& [index, page] : pages_) {
    const unsigned open = page.dirty | page.lost;
    const bool kept = whole_pages && open != 0 && dice.percent(keep_percent);
    for (unsigned s = 0; s < kSectors && open != 0; s++) {
      if ((open & bit_of(s)) == 0) continue;
      if (whole_pages ? kept : dice.percent(keep_percent)) continue;
      std::memcpy(page.now.data() + s * kSector, page.durable->data() + s * kSector, kSector);
    }
    page.dirty = page.lost = 0;
    page.durable.reset();
  }
  if (size_ != durable_size_ && !dice.percent(keep_percent)) size_ = durable_size_;
  durable_size_ = size_;
  dirty_.clear();
  // Bytes behind the end are gone, in the last page too.
  pages_.erase(pages_.lower_bound((size_ + kPage - 1) / kPage), pages_.end());
  if (const auto last = pages_.find(size_ / kPage); last != pages_.end()) {
    const uint64_t inside = size_ % kPage;
    std::memset(last->second.now.data() + inside, 0, kPage - inside);
  }
  reserved_ = std::min(reserved_, size_);
}

void Inode::flip_bit(uint64_t at, unsigned bit) {
  Page& page = pages_[at / kPage];
  const auto mask = static_cast<char>(1U << bit);
  page.now[at % kPage] = static_cast<char>(page.now[at % kPage] ^ mask);
  if (page.durable != nullptr) {
    (*page.durable)[at % kPage] = static_cast<char>((*page.durable)[at % kPage] ^ mask);
  }
}

void Inode::overwrite(std::string_view data, uint64_t at) {
  for (size_t i = 0; i < data.size(); i++) {
    Page& page = pages_[(at + i) / kPage];
    page.now[(at + i) % kPage] = data[i];
    if (page.durable != nullptr) (*page.durable)[(at + i) % kPage] = data[i];
  }
}

uint64_t Inode::pages_used() const {
  const uint64_t reserved = (reserved_ + kPage - 1) / kPage;
  uint64_t used = reserved;
  for (auto page = pages_.lower_bound(reserved); page != pages_.end(); ++page) used++;
  return used;
}

uint64_t Inode::pages_added(uint64_t size, uint64_t at) const {
  if (size == 0) return 0;
  const uint64_t first = std::max(at / kPage, (reserved_ + kPage - 1) / kPage);
  uint64_t added = 0;
  for (uint64_t i = first; i <= (at + size - 1) / kPage; i++) added += pages_.contains(i) ? 0 : 1;
  return added;
}

}  // namespace penstock::runtime
