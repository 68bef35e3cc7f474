// Clients: SDKs that send one request at a time, over a network that loses, doubles and delays.
//
// They outlive the process: what is under way in the network arrives in the next life, and a
// request is repeated with the same body until it is answered with 200, as the SDKs do it. Owned by
// the run; `attach` begins a life, `detach` ends it. One thread, on the loop of the life's world.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "runtime/runtime.h"
#include "simulation/clients/workload.h"
#include "simulation/world/machine.h"

namespace penstock::simulation {

class Clients {
 public:
  explicit Clients(Machine& machine);

  /// Status and body; 0: the request was given up unanswered.
  using Answered = std::function<void(int, const std::string&)>;
  /// Hands a request to capture.
  using Deliver = std::function<void(size_t client, const ClientRequest& request, Answered answer)>;
  void attach(runtime::Loop& loop, runtime::Clock& clock, Deliver deliver);
  void detach();

  void send(bool on) { sending_ = on; }
  /// Nothing is unanswered and nothing is under way.
  bool quiet() const;
  /// Sends these, each until it is answered; beside everything else.
  void also(std::vector<ClientRequest> requests);
  Workload& workload() { return workload_; }

 private:
  struct Client {
    std::shared_ptr<const ClientRequest> request;  // in flight; null: thinking
    uint64_t serial = 0;                           // of its last attempt
    int64_t backoff_ms = 0;
  };
  struct Packet {
    size_t client;
    uint64_t serial;
    std::shared_ptr<const ClientRequest> request;
  };

  int64_t now_us() const { return m_.now_us(clock_->mono_ns()); }
  void later(int64_t ms, std::function<void()> task);
  void think(size_t client);
  void attempt(size_t client);
  void again(size_t client, int64_t ms);
  void put_on_wire(Packet packet, int64_t ms);
  void deliver_due();
  void deliver(const Packet& packet);
  void answered(size_t client, uint64_t serial, int status, const std::string& body);
  /// What Capture V1 says of each event; true: some of them have to be sent again.
  bool take_verdicts(size_t client, const std::string& body);

  Machine& m_;
  Workload workload_;
  std::vector<Client> clients_;
  std::multimap<int64_t, Packet> wire_;  // by virtual time of arrival, over all lives
  std::vector<std::shared_ptr<const ClientRequest>> extra_;
  runtime::Loop* loop_ = nullptr;
  runtime::Clock* clock_ = nullptr;
  Deliver deliver_;
  uint64_t serials_ = 0;
  size_t inside_ = 0;  // handed to capture and not answered
  bool sending_ = true;
  std::shared_ptr<bool> alive_;
};

}  // namespace penstock::simulation
