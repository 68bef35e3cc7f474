#include "capture/admit/fair_share.h"

#include <algorithm>

namespace penstock::capture {
namespace {

// Disks pause for some hundred milliseconds now and then: that is nobody's fault and costs no 503.
constexpr int64_t kPatienceMinNs = 1'000'000'000;
constexpr int64_t kPatienceAloneNs = 5'000'000'000;  // whom nobody else is waiting behind
constexpr int64_t kPatienceOfBest = 4;
constexpr int64_t kBestPeriodNs = int64_t{300} * 1'000'000'000;
constexpr size_t kRoomBytesMin = 1U << 20;
constexpr int64_t kKeepsUpOfBest = 2;        // an append that takes no longer did not queue
constexpr size_t kRateBytesMin = 64U << 10;  // less under way says nothing about a rate
constexpr size_t kRatesMin = 2;

/// `part` of `whole` in proportion to the weights.
size_t share(size_t whole, uint64_t weight, uint64_t weights) {
  return static_cast<size_t>(static_cast<double>(whole) * static_cast<double>(weight) /
                             static_cast<double>(weights));
}

/// Whether somebody who would then hold `mine` keeps within his share of what is left, or of the
/// quarter that is never taken away.
bool within(size_t mine, size_t taken, size_t room, uint64_t weight, uint64_t weights) {
  const size_t left = room > taken ? room - taken : 0;
  return mine <= std::max(share(left, weight, weights), share(room / 4, weight, weights));
}

}  // namespace

bool FairShare::admits(ProjectId project, uint32_t weight, size_t bytes, int64_t now_ns) const {
  const auto found = holders_.find(project.value);
  const bool alone = holders_.size() == (found == holders_.end() ? 0U : 1U);
  const size_t room = room_bytes(now_ns, alone);
  if (bytes_ < room / 2 && requests_ < requests_max_ / 2) return true;
  if (found == holders_.end()) return true;  // one request of any size, for everybody
  const Holder& mine = found->second;
  const uint64_t weights = weights_ - mine.weight + weight;
  return within(mine.bytes + bytes, bytes_, room, weight, weights) &&
         within(mine.requests + 1, requests_, requests_max_, weight, weights);
}

void FairShare::hold(ProjectId project, uint32_t weight, size_t bytes) {
  const auto [at, fresh] = holders_.try_emplace(project.value);
  Holder& mine = at->second;
  if (!fresh) weights_ -= mine.weight;
  mine.weight = weight;
  weights_ += weight;
  mine.bytes += bytes;
  mine.requests++;
  bytes_ += bytes;
  requests_++;
}

void FairShare::release(ProjectId project, size_t bytes) {
  const auto found = holders_.find(project.value);
  if (found == holders_.end()) return;
  Holder& mine = found->second;
  mine.bytes -= std::min(bytes, mine.bytes);
  mine.requests--;
  bytes_ -= std::min(bytes, bytes_);
  requests_--;
  if (mine.requests > 0) return;
  bytes_ -= std::min(mine.bytes, bytes_);
  weights_ -= mine.weight;
  holders_.erase(found);
}

FairShare::Sent FairShare::sent(size_t bytes, int64_t now_ns) {
  under_way_.push_back(now_ns);
  bytes_under_way_ += bytes;
  return {now_ns, bytes, bytes_under_way_};
}

void FairShare::landed(const Sent& sent, int64_t now_ns) {
  // Appends of one lane land in their order, those of several nearly.
  const auto found = std::ranges::find(under_way_, sent.at_ns);
  if (found != under_way_.end()) under_way_.erase(found);
  bytes_under_way_ -= std::min(sent.bytes, bytes_under_way_);
  const int64_t took = std::max<int64_t>(now_ns - sent.at_ns, 1);
  note_best(took, now_ns);
  if (took <= best_ns_ * kKeepsUpOfBest) {
    rates_seen_ = 0;
  } else if (sent.ahead >= kRateBytesMin) {
    rates_[rates_seen_++ % rates_.size()] =
        static_cast<double>(sent.ahead) / static_cast<double>(took);
  }
}

/// The best of this period or of the one before: a disk that got slower is forgiven in time.
void FairShare::note_best(int64_t took_ns, int64_t now_ns) {
  if (best_ns_ == 0) {
    best_ns_ = next_best_ns_ = took_ns;
    best_since_ns_ = now_ns;
  }
  if (now_ns - best_since_ns_ > kBestPeriodNs) {
    best_ns_ = next_best_ns_;
    next_best_ns_ = took_ns;
    best_since_ns_ = now_ns;
  }
  next_best_ns_ = std::min(next_best_ns_, took_ns);
  best_ns_ = std::min(best_ns_, took_ns);
}

size_t FairShare::room_bytes(int64_t now_ns, bool alone) const {
  const int64_t patience =
      std::max(alone ? kPatienceAloneNs : kPatienceMinNs, best_ns_ * kPatienceOfBest);
  // The best of the last ones: a single hiccup is not the log's speed.
  const auto kept = static_cast<ptrdiff_t>(std::min(rates_seen_, rates_.size()));
  double rate =
      rates_seen_ < kRatesMin ? 0 : *std::max_element(rates_.begin(), rates_.begin() + kept);
  if (!under_way_.empty() && now_ns - under_way_.front() > patience) {
    // The oldest has not landed yet: it cannot be faster than this.
    const double most =
        static_cast<double>(bytes_under_way_) / static_cast<double>(now_ns - under_way_.front());
    rate = rate == 0 ? most : std::min(rate, most);
  }
  if (rate == 0) return bytes_max_;
  const double room = rate * static_cast<double>(patience);
  return std::clamp(
      room >= static_cast<double>(bytes_max_) ? bytes_max_ : static_cast<size_t>(room),
      std::min(kRoomBytesMin, bytes_max_), bytes_max_);
}

}  // namespace penstock::capture
