// What a SimDisk and the files opened on it share. Single thread; see sim_runtime.h.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/sim/chance.h"
#include "runtime/sim/inode.h"
#include "runtime/sim_runtime.h"

namespace penstock::runtime {

struct SimDisk::State {
  using Names = std::map<std::string, std::shared_ptr<Inode>>;
  /// `path` now means `inode` (null: nothing); `from`, if any, means nothing any more.
  struct NameChange {
    std::string path, from;
    std::shared_ptr<Inode> inode;
  };
  enum class Fate : unsigned char { kGoOn, kDiesAfter, kDead };

  explicit State(uint64_t seed) : dice(seed) {}

  /// Counts an I/O and says how it ends.
  Fate begin(std::string_view what, const std::string& path);
  bool fails(const SimOp& op) const { return faults.fails && faults.fails(op); }
  uint64_t used_pages() const;
  bool has_room(uint64_t pages) const;
  static void apply(Names& to, const NameChange& change);
  void change_name(NameChange change);
  void next_life();

  Chance dice;
  SimFaults faults;
  Names names, durable_names;
  std::set<std::string> directories{"/", "."};
  std::vector<NameChange> unsynced;  // in the order they were made
  bool killed = false;
  uint64_t life = 1;
  uint64_t io_count = 0, sync_count = 0, write_count = 0;
  Trace trace;
};

}  // namespace penstock::runtime
