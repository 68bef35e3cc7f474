// Inode: one simulated file's bytes, each 512-byte sector with a volatile and a durable version.
//
// A page of 4096 bytes exists once something was written to it; what was never written reads as
// zeros. A page keeps the durable bytes beside the volatile ones only while they may differ. Owned
// by SimDisk and by open files; single thread; never fails.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "runtime/sim/chance.h"

namespace penstock::runtime {

class Inode {
 public:
  static constexpr uint64_t kPage = 4096;
  static constexpr uint64_t kSector = 512;

  uint64_t size() const { return size_; }
  size_t read(std::span<char> out, uint64_t at) const;
  /// `dice` decides which sectors the system writes back on its own before they change again.
  void write(std::string_view data, uint64_t at, Chance& dice);
  void reserve(uint64_t size);
  void truncate(uint64_t size, Chance& dice);
  /// Makes everything durable but what an earlier failed sync lost.
  void sync();
  /// A sync that failed: what it covered counts as clean, yet is not on the disk.
  void sync_failed();
  /// Keeps each unsynced sector with `keep_percent`, or with `whole_pages` each page that has some,
  /// and the unsynced size by the same chance.
  void crash(Chance& dice, uint64_t keep_percent, bool whole_pages);
  void flip_bit(uint64_t at, unsigned bit);
  /// Durably, as if the disk had done it on its own.
  void overwrite(std::string_view data, uint64_t at);

  uint64_t pages_used() const;
  /// Pages that a write would add.
  uint64_t pages_added(uint64_t size, uint64_t at) const;

 private:
  using Bytes = std::array<char, kPage>;
  struct Page {
    Bytes now{};
    std::unique_ptr<Bytes> durable;  // set while `dirty | lost` is not 0
    uint8_t dirty = 0;               // a bit per sector: newer than the durable bytes
    uint8_t lost = 0;                // as dirty, but no later sync will write it
  };

  Page& touch(uint64_t index);
  static void make_durable(Page& page, unsigned sector);

  std::map<uint64_t, Page> pages_;
  std::vector<uint64_t> dirty_;  // pages with dirty sectors
  bool cut_ = false;             // truncated since the last sync
  uint64_t size_ = 0;
  uint64_t durable_size_ = 0;
  uint64_t reserved_ = 0;
};

}  // namespace penstock::runtime
