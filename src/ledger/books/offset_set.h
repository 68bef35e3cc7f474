// OffsetSet: which offsets of a partition are counted: all below `next`, and some ahead of it.
//
// Loops hand in their appends in any order, and slices of the projects decide their records of a
// partition each at its own pace, so that for a while every other offset may be in. The set
// normally is one number; what is ahead is kept as bits, in pieces that copies share until one
// changes its own. Plain value, one owner.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <map>
#include <memory>
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
    const auto it = ahead_.find(offset / kPieceBits);
    return it != ahead_.end() && has(*it->second, offset % kPieceBits);
  }

  void add(int64_t from, int64_t to) {
    from = std::max(from, next_);
    if (from >= to) return;
    if (from == next_) {
      next_ = to;
      return settle();
    }
    while (from < to) {
      const int64_t end = std::min(to, (from / kPieceBits + 1) * kPieceBits);
      Piece& piece = own(ahead_[from / kPieceBits]);
      for (; from < end; from++) set(piece, from % kPieceBits);
    }
  }

  /// How many offsets since `base` are in.
  uint64_t size() const {
    auto n = static_cast<uint64_t>(next_ - base_);
    for (const auto& [number, piece] : ahead_) {
      for (const uint64_t word : *piece) n += static_cast<uint64_t>(std::popcount(word));
    }
    return n;
  }
  bool has_gaps() const { return !ahead_.empty(); }

  /// As ranges; many of them as bits, behind none.
  void encode(std::string& out) const {
    ByteWriter w(out);
    w.zigzag(base_);
    w.zigzag(next_);
    const std::map<int64_t, int64_t> few = ranges(kRangesMax);
    if (!ahead_.empty() && few.empty()) {
      w.varint(0);
      w.varint(ahead_.size());
      for (const auto& [number, piece] : ahead_) {
        w.zigzag(number);
        for (const uint64_t word : *piece) w.u64(word);
      }
      return;
    }
    w.varint(few.size());
    for (const auto& [from, to] : few) {
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
      const int64_t to = r.zigzag();
      if (!r.ok() || to - from > kDecodedMax) return false;
      add(from, to);
    }
    if (r.ok() && !r.at_end()) {
      const uint64_t pieces = r.varint();
      for (uint64_t i = 0; i < pieces && r.ok(); i++) {
        Piece& piece = own(ahead_[r.zigzag()]);
        for (uint64_t& word : piece) word = r.u64();
      }
    }
    return r.ok() && r.at_end() && base_ <= next_;
  }

 private:
  static constexpr int64_t kPieceBits = 4096;
  static constexpr size_t kRangesMax = 64;
  static constexpr int64_t kDecodedMax = int64_t{1} << 32;
  using Piece = std::array<uint64_t, kPieceBits / 64>;
  using PiecePtr = std::shared_ptr<Piece>;

  static bool has(const Piece& piece, int64_t bit) {
    return (piece[static_cast<size_t>(bit) / 64] >> (bit % 64) & 1) != 0;
  }
  static void set(Piece& piece, int64_t bit) {
    piece[static_cast<size_t>(bit) / 64] |= uint64_t{1} << (bit % 64);
  }
  /// The piece as one may change it.
  static Piece& own(PiecePtr& piece) {
    if (piece == nullptr) {
      piece = std::make_shared<Piece>();
    } else if (piece.use_count() > 1) {
      piece = std::make_shared<Piece>(*piece);
    }
    return *piece;
  }

  /// `next` goes over what is in; bits below it go.
  void settle() {
    while (!ahead_.empty()) {
      const auto first = ahead_.begin();
      const int64_t begin = first->first * kPieceBits;
      if (begin > next_) return;
      if (next_ >= begin + kPieceBits) {
        ahead_.erase(first);
        continue;
      }
      while (next_ < begin + kPieceBits && has(*first->second, next_ - begin)) next_++;
      if (next_ == begin + kPieceBits) continue;
      Piece& piece = own(first->second);
      const auto word = static_cast<size_t>(next_ - begin) / 64;
      std::fill_n(piece.begin(), word, 0);
      piece[word] &= ~uint64_t{0} << ((next_ - begin) % 64);
      if (std::ranges::all_of(piece, [](uint64_t w) { return w == 0; })) ahead_.erase(first);
      return;
    }
  }

  /// What is ahead; nothing if that is more than so many ranges.
  std::map<int64_t, int64_t> ranges(size_t most) const {
    std::map<int64_t, int64_t> out;
    for (const auto& [number, piece] : ahead_) {
      for (int64_t bit = 0; bit < kPieceBits; bit++) {
        const uint64_t word = (*piece)[static_cast<size_t>(bit) / 64];
        if (word == 0) {
          bit |= 63;
          continue;
        }
        if (!has(*piece, bit)) continue;
        const int64_t at = number * kPieceBits + bit;
        if (!out.empty() && std::prev(out.end())->second == at) {
          std::prev(out.end())->second++;
        } else if (out.size() == most) {
          return {};
        } else {
          out.emplace_hint(out.end(), at, at + 1);
        }
      }
    }
    return out;
  }

  int64_t base_ = 0, next_ = 0;
  std::map<int64_t, PiecePtr> ahead_;  // by offset / kPieceBits
};

}  // namespace penstock::ledger
