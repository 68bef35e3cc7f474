// Clients: threads that send like SDKs do while the server dies under them.
//
// Each keeps one request in flight and sends it again, byte for byte, until it is acknowledged; now
// and then it repeats an acknowledged one. What was acknowledged is written down here: that is what
// must be found later. Threads: all methods from the owner's; clients are joined by `stop`.
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "main/prove/workload.h"

namespace penstock::cli::prove {

/// What the server has promised to keep.
struct Promises {
  std::unordered_map<Uuid, Kind> events;                 // recordings are not in it
  std::map<std::string, std::vector<int64_t>> sessions;  // marks of recordings
  std::array<uint64_t, kKinds> acknowledged{};           // requests count their events
  uint64_t repeats = 0;                                  // acknowledged ones sent again
  uint64_t answers = 0, unanswered = 0;                  // of all tries
  uint64_t refused = 0;                                  // tries answered with 5xx
  std::vector<std::string> surprises;                    // other answers, the first few
};

class Clients {
 public:
  Clients(uint64_t seed, size_t count, std::string key, std::string early_key);
  ~Clients();
  Clients(const Clients&) = delete;
  Clients& operator=(const Clients&) = delete;

  /// Where the server listens now.
  void set_url(std::string url);
  void set_early_key(const std::string& key);
  /// Waits until every client has its acknowledgement, or gave up waiting for `ms_max`; no new
  /// requests until `resume`. False: some still have none.
  bool pause(int64_t ms_max);
  void resume();
  void stop();
  /// Events acknowledged so far. Any thread.
  uint64_t acknowledged() const { return acknowledged_; }
  /// What was promised; read it while paused or stopped.
  const Promises& promises() const { return promises_; }

 private:
  struct Client {
    Workload work;
    bool idle = true;
    std::string early_key;  // to take over
  };
  void run(Client& client, uint64_t seed);
  /// True: acknowledged. Another answer than 200 and 5xx is a surprise.
  bool try_once(const Shipment& shipment, const std::string& url);
  void note(const Shipment& shipment);

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Client> clients_;
  std::vector<std::thread> threads_;
  std::string url_;
  Promises promises_;
  std::atomic<uint64_t> acknowledged_ = 0;
  bool paused_ = false, stopping_ = false;
};

}  // namespace penstock::cli::prove
