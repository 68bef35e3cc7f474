// Workload: what clients of all kinds send: persons, merges, groups, exceptions, recordings,
// rubbish.
//
// Draws one request at a time and notes in Promises what it holds. The mix differs from seed to
// seed. Plain data; one owner, one thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "simulation/clients/promises.h"
#include "simulation/world/dice.h"

namespace penstock::simulation {

inline constexpr char kTokenA[] = "phc_known", kTokenB[] = "phc_second", kTokenLate[] = "phc_late";
inline constexpr char kTokenUnknown[] = "phc_nobody";  // never anybody's

/// What an SDK sends for the distinct id of a visitor without one, and what their browsers say.
inline constexpr char kCookielessSentinel[] = "$posthog_cookieless";
inline constexpr char kAgentPrefix[] = "Browser/";

struct ClientRequest {
  std::string path, body;
  std::vector<std::pair<std::string, std::string>> headers{};  // beside Content-Type
  std::vector<Uuid> events{};        // acknowledged together, or by Capture V1 one by one
  std::vector<std::string> texts{};  // of Capture V1: the events, to send some of them again
  bool v1 = false;
  bool historical = false;
  bool refused = false;  // it is wrong and a 4xx is right
};

struct WorkloadOptions {
  size_t clients = 1;
  bool poison = false;       // events that the store refuses
  uint64_t fat_percent = 0;  // of events
  uint64_t v1_percent = 0;   // of requests
};

class Workload {
 public:
  Workload(uint64_t seed, Promises& promises, const WorkloadOptions& options);

  /// What the client sends next; its clock says `now_ms`.
  ClientRequest next(size_t client, int64_t now_ms);
  /// Of a Capture V1 request, the events that it was told to send again.
  ClientRequest rest_of(const ClientRequest& sent, size_t client, int64_t now_ms,
                        const std::function<bool(const Uuid&)>& again);
  /// Merges that were sent, again: as they were, or as new events.
  std::vector<ClientRequest> merges_again(bool same_uuids, int64_t now_ms,
                                          const std::function<bool(const Sent&)>& wanted);

 private:
  enum Kind : uint8_t {
    kSeen,
    kSet,
    kSetOnce,
    kUnset,
    kIdentify,
    kAlias,
    kMerge,
    kGroup,
    kInGroup,
    kException,
    kHeatmap,
    kPersonless,
    kBroken,
    kConflict,
    kRepeat,
    kPoison,
    kForApps,     // what they change, drop, break
    kCookieless,  // of a visitor without an id of their own
    kWrong,       // in Capture V1 alone: it drops by itself
    kKinds
  };
  struct Client {
    std::string token, anonymous, distinct_id, session;
    int64_t next = 1, skew_ms = 0;
    size_t visits = 0;
    bool recorder = false;
    std::vector<std::string> sent;  // event objects, for repeats
    std::vector<Uuid> sent_uuids;
  };
  struct Made {
    std::string text;  // the event object
    Uuid uuid;
    bool kept = true;  // for repeats
  };

  Kind draw();
  Made make(size_t index, int64_t now_ms);
  Made event(size_t index, int64_t now_ms, std::string name, const std::string& properties,
             std::string other = "");
  Made cookieless(size_t index, int64_t now_ms, const std::string& user);
  ClientRequest recording(size_t index, int64_t now_ms);
  ClientRequest rubbish(size_t index);
  /// Another's text under the client's hand: not to be remembered, or not to be sent this way.
  Made wrong(size_t index, int64_t now_ms);
  ClientRequest v1(size_t index, int64_t now_ms);
  void write_v1(ClientRequest& out, size_t index, int64_t now_ms);
  void remember(Client& client, const Made& made);
  static std::string batch(const std::string& token, bool historical, const std::string& events);

  Dice dice_;
  Promises& promises_;
  std::vector<Client> clients_;
  std::vector<uint64_t> weights_;
  const uint64_t fat_percent_, v1_percent_;
  bool in_v1_ = false;  // what is made now goes there
  uint64_t historical_percent_, rubbish_percent_;
};

}  // namespace penstock::simulation
