// Producers: the last sequence of every producer in every partition of a topic.
//
// Bounded: beyond kProducersMax the pair that was used longest ago is forgotten, which a producer
// notices only if it repeats something older than everything the others did since. One thread.
#pragma once

#include <cstdint>
#include <map>
#include <utility>

#include "base/ids.h"

namespace penstock::log {

inline constexpr size_t kProducersMax = 1024;

using ProducerKey = std::pair<int32_t, uint64_t>;  // partition, producer

class Producers {
 public:
  struct State {
    int64_t sequence = -1;
    uint64_t block = 0;  // number of the block that held it
  };

  /// -1: not known.
  int64_t last(ProducerKey key) const {
    const auto it = states_.find(key);
    return it == states_.end() ? -1 : it->second.sequence;
  }
  void set(ProducerKey key, State state) {
    states_[key] = state;
    if (states_.size() > kProducersMax) forget_oldest();
  }
  const std::map<ProducerKey, State>& states() const { return states_; }

 private:
  void forget_oldest() {
    auto oldest = states_.begin();
    for (auto it = states_.begin(); it != states_.end(); ++it) {
      if (it->second.block < oldest->second.block) oldest = it;
    }
    states_.erase(oldest);
  }

  std::map<ProducerKey, State> states_;
};

}  // namespace penstock::log
