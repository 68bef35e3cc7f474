// Histories: what one project's clients sent, drawn from a seed, and the ways it may arrive.
//
// Plain data of the model's; nothing of the engine. The same seed gives the same history on every
// machine. A history keeps its order per distinct id in every arrival that is made of it.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "tests/convergence/naive/model.h"

namespace naive {

using Random = std::mt19937_64;

struct History {
  uint64_t seed = 0;
  Project project;
  std::vector<Event> events;
};

/// Anything clients may send: conflicts, nonsense, repeats of an event later on.
History any_history(uint64_t seed, int64_t project);

/// Distinct ids that never contradict each other (docs/decisions/0008-convergence.md says what that
/// is): its persons do not depend on how the distinct ids' events are mixed.
History peaceful_history(uint64_t seed, int64_t project);

/// Another arrival of the same events: mixed anew, the order per distinct id kept, some repeated.
std::vector<Event> another_arrival(const std::vector<Event>& events, Random& random);

/// Every distinct id an event names: its own and the ones it may be joined with.
std::vector<std::string> mentioned_ids(const Event& event);

/// The key of the group that an event describes.
std::optional<std::string> mentioned_group(const Event& event);

/// For a person who reads a failure.
std::string describe(const std::vector<Event>& events);

}  // namespace naive
