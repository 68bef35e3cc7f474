// Workload: what a prover's clients send, drawn from a seed: every lane, every kind of identity
// event, recordings, repeats.
//
// A Shipment is one request and what an acknowledgement of it promises. Uuids are unique over all
// generators of different `client` numbers. Not thread safe: each client owns one.
#pragma once

#include <array>
#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"

namespace penstock::cli::prove {

/// What became of an event is asked in different places, so kinds are kept apart.
enum class Kind : uint8_t {
  kMain,
  kHistorical,
  kHotKey,     // one distinct id above its rate: the overflow lane
  kException,  // the exceptions lane
  kIdentity,   // $identify, $create_alias, $groupidentify, $set
  kV1,         // Capture V1
  kRecording,  // /s/: one message a request
  kEarly,      // a key whose project does not exist yet: quarantine, then re-driven
};
inline constexpr size_t kKinds = 8;
std::string_view kind_name(Kind kind);

struct Shipment {
  Kind kind = Kind::kMain;
  std::string path, body;
  std::vector<std::string> headers;  // "name: value"
  std::vector<Uuid> uuids;           // a recording's request has one
  std::string session;               // of a recording
  int64_t mark = 0;                  // of a recording: its rrweb event says it
};

class Workload {
 public:
  Workload(uint64_t seed, int client, std::string key, std::string early_key);

  /// The next request; `now_ms` is the wall clock.
  Shipment next(int64_t now_ms);
  /// From now on early events carry this key.
  void set_early_key(std::string key) { early_key_ = std::move(key); }

 private:
  uint64_t below(uint64_t n) { return random_() % n; }
  Uuid fresh_uuid(int64_t now_ms);
  std::string event(Kind kind, const Uuid& uuid, int64_t now_ms);
  std::string identity_event(const Uuid& uuid, int64_t now_ms);
  Shipment batch(Kind kind, int64_t now_ms);
  Shipment v1(int64_t now_ms);
  Shipment recording(int64_t now_ms);

  std::mt19937_64 random_;
  int client_;
  std::string key_, early_key_;
  int64_t mark_ = 0;
};

}  // namespace penstock::cli::prove
