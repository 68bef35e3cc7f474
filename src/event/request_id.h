// RequestId: the id that every capture request is answered with, in the header X-Request-Id.
//
// It looks like a UUID of version 7: when the request came, and a number that counts the requests
// of one capture shard. Records keep the number alone, the time they have anyway; the bytes between
// are made from both, so that any other UUID is told apart. Pure functions, any thread.
#pragma once

#include <cstdint>
#include <optional>

#include "base/ids.h"

namespace penstock::event {

struct RequestId {
  int64_t now_ms = 0;   // RawRecord::now_ms of its events
  uint32_t number = 0;  // never 0

  Uuid uuid() const;
  /// Nullopt: not one of ours.
  static std::optional<RequestId> of(const Uuid& uuid);
  bool operator==(const RequestId&) const = default;
};

}  // namespace penstock::event
