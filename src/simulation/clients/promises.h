// Promises: what clients sent, what they were told, and what therefore must hold.
//
// Plain data of the run's; nothing of the product. One owner.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/ids.h"

namespace penstock::simulation {

/// One event as a client made it. The same uuid may have several, if the client is a bad one.
struct Sent {
  size_t client = 0;
  int64_t number = 0;  // rises with every event of the client; it is in the properties too
  std::string token, event, distinct_id, other_id;  // other_id: of a merge
  std::string heatmap_url;                          // empty: it brings no point
  std::string visitor{};  // a cookieless one's browser; empty: the id is the client's own
  bool replay = false;
  int64_t timestamp_ms = 0;
};

struct Promise {
  std::vector<Sent> contents;
  bool acknowledged = false;
  std::string dropped{};    // Capture V1 answered so: why
  bool repeated = false;    // the client sent it again later, maybe another way
  uint64_t deliveries = 0;  // to capture
};

struct Promises {
  std::map<Uuid, Promise> events;
  std::set<std::string> distinct_ids;  // everything that was ever named
  std::set<std::string> group_keys;
  std::map<Uuid, std::string> commands;  // acknowledged, by kind
  uint64_t requests = 0, acknowledged = 0;
};

/// The uuid of a client's event; says whose it is.
inline Uuid uuid_of(size_t client, int64_t number) {
  Uuid u;
  u.bytes[0] = 0x51;
  u.bytes[1] = static_cast<uint8_t>(client);
  u.bytes[6] = 0x40;
  u.bytes[8] = 0x80;
  for (size_t i = 0; i < 7; i++) u.bytes[15 - i] = static_cast<uint8_t>(number >> (8 * i));
  return u;
}

}  // namespace penstock::simulation
