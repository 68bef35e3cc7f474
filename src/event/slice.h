// Slices: the parts of all projects that processes decide beside each other.
//
// Whatever has to be decided in one order (persons, merges, dedup, visitors, commands) stays inside
// a project, so each project lies in one slice, by its token: in every process the same one, as the
// bytes of a record say it. What is decided of a slice goes to partitions of `processed` of its
// own, one for each of the lanes'; how many slices there are is fixed as these are. One slice is
// all projects (docs/decisions/0028-slices.md). Lanes are everybody's, in PostHog's order, or have
// partitions for each slice as `processed` has (docs/decisions/0041-lanes-of-slices.md). Pure.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/hash.h"
#include "base/ids.h"
#include "event/lane.h"

namespace penstock::event {

struct Slice {
  int32_t index = 0;
  int32_t count = 1;

  bool is_all() const { return count == 1; }
  bool has_token(std::string_view token) const;
};

/// Of a token that belongs to nobody, too. As Kafka's partitioner places a key.
inline int32_t slice_of(std::string_view token, int32_t count) {
  return count == 1 ? 0 : partition_of(token, count);
}
inline bool Slice::has_token(std::string_view token) const {
  return count == 1 || slice_of(token, count) == index;
}

/// Which partitions there are and what lies in each: the one place that knows.
struct Layout {
  int32_t partitions = 8;  // of a lane; with `apart`, of each slice in a lane
  int32_t slices = 1;
  bool apart = false;  // lanes of events have partitions for each slice

  /// Recordings are taken by one process, whoever's they are: their lane is never apart.
  bool is_apart(Lane lane) const { return apart && lane != Lane::kReplay; }
  int32_t of_lane(Lane lane) const { return is_apart(lane) ? slices * partitions : partitions; }
  int32_t of_processed() const { return slices * partitions; }

  /// Of a record with this token and Kafka's key; within the slice the order is the key's.
  int32_t in_lane(Lane lane, std::string_view token, std::string_view key) const {
    const int32_t own = partition_of(key, partitions);
    return is_apart(lane) ? slice_of(token, slices) * partitions + own : own;
  }
  /// Whether a lane's partition has anything for a slice.
  bool may_have(Lane lane, Partition in_lane, int32_t slice) const {
    return !is_apart(lane) || in_lane.value / partitions == slice;
  }
  /// Where the outcomes of a slice go that a lane's partition holds records of.
  Partition outcomes(int32_t slice, Lane lane, Partition in_lane) const {
    return is_apart(lane) ? in_lane : Partition{slice * partitions + in_lane.value};
  }
  /// And those of what lies in no lane.
  Partition other_outcomes(int32_t slice) const { return {slice * partitions}; }
  int32_t slice_of_outcomes(Partition processed) const { return processed.value / partitions; }
};

}  // namespace penstock::event
