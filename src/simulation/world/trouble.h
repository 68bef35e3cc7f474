// Trouble: what happens to a life from outside while it runs: faults that last, and people.
//
// Faults that begin and end (a full disk, a slow one, names that do not become durable, a full
// pool, pauses, clock jumps) and what an operator does meanwhile (settings, a late project,
// commands about persons). Also looks, from time to time, whether progress is ahead of what it
// stands for. One per life, on the outside loop.
#pragma once

#include <cstdint>
#include <memory>

#include "simulation/world/life.h"

namespace penstock::simulation {

class Trouble {
 public:
  explicit Trouble(Life& life);
  ~Trouble() { *alive_ = false; }

  /// Arms the disk's faults of this life and begins.
  void begin();

 private:
  void tick();
  void disk();
  void pace();
  void time();
  void people();
  void command();
  void operator_command();
  void send(std::string_view kind, const std::string& body);
  void look();

  Life& life_;
  Machine& m_;
  int64_t full_until_ns_ = 0, slow_until_ns_ = 0, pool_until_ns_ = 0, names_until_ns_ = 0;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace penstock::simulation
