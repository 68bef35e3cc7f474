#include "usage/meter.h"

#include <algorithm>

namespace penstock::usage {
namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;

/// One writer: no need for a locked instruction.
void add(std::atomic<uint64_t>& to, uint64_t n) { to.store(to.load(kRelaxed) + n, kRelaxed); }

}  // namespace

/// The counts first, then the month: a reader that sees the new month sees no old count.
void Meter::turn_to(Cell& cell, const Month& month) {
  for (size_t r = 0; r < catalog::kQuotaResources; r++) {
    cell.used[r].store(0, kRelaxed);
    cell.refused[r].store(0, kRelaxed);
    cell.since_ms[r].store(0, kRelaxed);
  }
  cell.month.store(month.number, std::memory_order_release);
}

void Meter::count(size_t shard, Resource resource, uint64_t n, const Month& month) {
  Cell& cell = cells_[shard];
  if (cell.month.load(kRelaxed) != month.number) turn_to(cell, month);
  add(cell.used[static_cast<size_t>(resource)], n);
}

void Meter::refuse(size_t shard, Resource resource, uint64_t n, const Month& month,
                   int64_t now_ms) {
  Cell& cell = cells_[shard];
  if (cell.month.load(kRelaxed) != month.number) turn_to(cell, month);
  const auto r = static_cast<size_t>(resource);
  if (cell.since_ms[r].load(kRelaxed) == 0) cell.since_ms[r].store(now_ms, kRelaxed);
  add(cell.refused[r], n);
}

void Meter::restore(Resource resource, const Counts& counts, const Month& month) {
  Cell& cell = cells_.back();
  if (cell.month.load(kRelaxed) != month.number) turn_to(cell, month);
  const auto r = static_cast<size_t>(resource);
  cell.used[r].store(counts.used, kRelaxed);
  cell.refused[r].store(counts.refused, kRelaxed);
  cell.since_ms[r].store(counts.limited_since_ms, kRelaxed);
}

uint64_t Meter::used(Resource resource, const Month& month) const {
  uint64_t sum = 0;
  for (const Cell& cell : cells_) {
    if (cell.month.load(std::memory_order_acquire) != month.number) continue;
    sum += cell.used[static_cast<size_t>(resource)].load(kRelaxed);
  }
  return sum;
}

Meter::Counts Meter::counts(Resource resource, const Month& month) const {
  const auto r = static_cast<size_t>(resource);
  Counts out;
  for (const Cell& cell : cells_) {
    if (cell.month.load(std::memory_order_acquire) != month.number) continue;
    out.used += cell.used[r].load(kRelaxed);
    out.refused += cell.refused[r].load(kRelaxed);
    const int64_t since = cell.since_ms[r].load(kRelaxed);
    if (since != 0) {
      out.limited_since_ms =
          out.limited_since_ms == 0 ? since : std::min(out.limited_since_ms, since);
    }
  }
  return out;
}

}  // namespace penstock::usage
