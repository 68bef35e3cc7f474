// Slices: the parts of all projects that processes decide beside each other.
//
// Whatever has to be decided in one order (persons, merges, dedup, visitors, commands) stays inside
// a project, so each project lies in one slice, by its token: in every process the same one, as the
// bytes of a record say it. What is decided of a slice goes to partitions of `processed` of its
// own, one for each of the lanes'; how many slices there are is fixed as these are. One slice is
// all projects (docs/decisions/0028-slices.md). Pure.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/hash.h"
#include "base/ids.h"

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
  return slice_of(token, count) == index;
}

/// Where the outcomes of a lane's partition go; `partitions`: of each lane.
inline Partition outcome_partition(const Slice& slice, Partition lane, int32_t partitions) {
  return {slice.index * partitions + lane.value};
}
inline int32_t slice_of_outcomes(Partition processed, int32_t partitions) {
  return processed.value / partitions;
}

}  // namespace penstock::event
