// OffsetSet: which offsets of a partition are counted: all below `next`, and some ranges ahead.
//
// Loops hand in their appends in any order, so a range may arrive before the one in front of it.
// The set normally is one number; ranges ahead exist for moments. Plain value, one owner.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "base/codec.h"

namespace penstock::ledger {

class OffsetSet {
 public:
  OffsetSet() = default;
  explicit OffsetSet(int64_t start) : base_(start), next_(start) {}

  /// Everything below is in (or lies before `base`).
  int64_t next() const { return next_; }
  int64_t base() const { return base_; }

  bool contains(int64_t offset) const {
    if (offset < next_) return true;
    auto it = ahead_.upper_bound(offset);
    if (it == ahead_.begin()) return false;
    return offset < std::prev(it)->second;
  }

  void add(int64_t from, int64_t to) {
    from = std::max(from, next_);
    if (from >= to) return;
    auto it = ahead_.upper_bound(from);
    if (it != ahead_.begin() && std::prev(it)->second >= from) --it;
    while (it != ahead_.end() && it->first <= to) {
      from = std::min(from, it->first);
      to = std::max(to, it->second);
      it = ahead_.erase(it);
    }
    if (from == next_) {
      next_ = to;
    } else {
      ahead_.emplace(from, to);
    }
  }

  /// How many offsets since `base` are in.
  uint64_t size() const {
    int64_t n = next_ - base_;
    for (const auto& [from, to] : ahead_) n += to - from;
    return static_cast<uint64_t>(n);
  }
  bool has_gaps() const { return !ahead_.empty(); }

  void encode(std::string& out) const {
    ByteWriter w(out);
    w.zigzag(base_);
    w.zigzag(next_);
    w.varint(ahead_.size());
    for (const auto& [from, to] : ahead_) {
      w.zigzag(from);
      w.zigzag(to);
    }
  }
  /// False when the bytes are not a set.
  bool decode(std::string_view bytes) {
    ByteReader r(bytes);
    base_ = r.zigzag();
    next_ = r.zigzag();
    ahead_.clear();
    const uint64_t n = r.varint();
    for (uint64_t i = 0; i < n && r.ok(); i++) {
      const int64_t from = r.zigzag();
      ahead_[from] = r.zigzag();
    }
    return r.ok() && r.at_end() && base_ <= next_;
  }

 private:
  int64_t base_ = 0, next_ = 0;
  std::map<int64_t, int64_t> ahead_;
};

}  // namespace penstock::ledger
