// SimDisk: names and inodes, with a volatile and a durable version of the names.
//
// Every state-changing call passes `begin`, which counts it and decides whether the disk dies in
// it. A call that dies is applied or not by the dice: its caller can never know.
#include <algorithm>
#include <filesystem>
#include <optional>
#include <set>

#include "runtime/sim/disk_state.h"
#include "runtime/sim_runtime.h"

namespace penstock::runtime {
namespace {

/// Most paths are as they should be; taking them apart to see it would be a tenth of a run's time.
bool is_normal(std::string_view path) {
  return !path.empty() && path.front() != '.' && path.back() != '/' && !path.ends_with("/.") &&
         !path.ends_with("/..") && path.find("//") == path.npos && path.find("/./") == path.npos &&
         path.find("/../") == path.npos;
}

std::string normal(const std::string& path) {
  if (is_normal(path)) return path;
  std::string out = std::filesystem::path(path).lexically_normal().string();
  while (out.size() > 1 && out.ends_with('/')) out.pop_back();
  return out;
}

std::string parent(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == path.npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

std::string last_part(const std::string& path) { return path.substr(path.rfind('/') + 1); }

std::unexpected<Error> dead() { return fail(Code::kCancelled, "the simulated disk is off"); }

}  // namespace

// ------------------------------------------------------------------------------------ the state

SimDisk::State::Fate SimDisk::State::begin(std::string_view what, const std::string& path) {
  if (killed) return Fate::kDead;
  io_count++;
  trace.add(what);
  trace.add(path);
  trace.add(io_count);
  if (io_count != faults.kill_at_io) return Fate::kGoOn;
  killed = true;
  return dice.percent(50) ? Fate::kDiesAfter : Fate::kDead;
}

uint64_t SimDisk::State::used_pages() const {
  std::set<const Inode*> seen;
  uint64_t used = 0;
  for (const auto& [name, inode] : names) {
    if (seen.insert(inode.get()).second) used += inode->pages_used();
  }
  return used;
}

bool SimDisk::State::has_room(uint64_t pages) const {
  if (faults.capacity_bytes == 0 || pages == 0) return true;
  return (used_pages() + pages) * Inode::kPage <= faults.capacity_bytes;
}

void SimDisk::State::apply(Names& to, const NameChange& change) {
  if (!change.from.empty()) to.erase(change.from);
  if (change.inode != nullptr) {
    to[change.path] = change.inode;
  } else {
    to.erase(change.path);
  }
}

void SimDisk::State::change_name(NameChange change) {
  apply(names, change);
  unsynced.push_back(std::move(change));
}

void SimDisk::State::next_life() {
  life++;
  killed = false;
  faults = SimFaults{.capacity_bytes = faults.capacity_bytes};
}

// ----------------------------------------------------------------------------------- open files

namespace {

class SimFile : public File {
 public:
  SimFile(std::shared_ptr<SimDisk::State> disk, std::shared_ptr<Inode> inode, std::string path,
          bool direct)
      : disk_(std::move(disk)),
        inode_(std::move(inode)),
        path_(std::move(path)),
        life_(disk_->life),
        direct_(direct) {}

  Result<size_t> pread(std::span<char> out, uint64_t at) const override {
    if (disk_->killed || life_ != disk_->life) return dead();
    PENSTOCK_CHECK(aligned(out.data(), out.size(), at));
    if (disk_->fails({SimOp::Kind::kRead, path_, at, out.size()})) {
      return fail(Code::kUnavailable, "read " + path_ + ": simulated I/O error");
    }
    return inode_->read(out, at);
  }

  Status pwrite(std::string_view data, uint64_t at) override {
    if (life_ != disk_->life) return dead();
    PENSTOCK_CHECK(aligned(data.data(), data.size(), at));
    const Fate fate = disk_->begin("write", path_);
    disk_->trace.add(data);
    if (fate == Fate::kDead) return dead();
    if (fate == Fate::kDiesAfter) {
      const uint64_t part = disk_->dice.below(data.size() / Inode::kSector + 1) * Inode::kSector;
      inode_->write(data.substr(0, part == 0 ? data.size() : part), at, disk_->dice);
      return dead();
    }
    if (++disk_->write_count == disk_->faults.write_error_at ||
        disk_->fails({SimOp::Kind::kWrite, path_, at, data.size()})) {
      return fail(Code::kUnavailable, "write " + path_ + ": simulated I/O error");
    }
    if (!disk_->has_room(inode_->pages_added(data.size(), at))) return full("write ");
    inode_->write(data, at, disk_->dice);
    return {};
  }

  Status sync() override {
    if (life_ != disk_->life) return dead();
    const Fate fate = disk_->begin("sync", path_);
    if (fate == Fate::kDead) return dead();
    disk_->sync_count++;
    if (fate == Fate::kGoOn && (disk_->sync_count == disk_->faults.sync_error_at ||
                                disk_->fails({SimOp::Kind::kSync, path_, 0, 0}))) {
      inode_->sync_failed();
      return fail(Code::kUnavailable, "sync " + path_ + ": simulated I/O error");
    }
    inode_->sync();
    if (fate == Fate::kDiesAfter) return dead();
    return {};
  }

  Result<uint64_t> size() const override {
    if (disk_->killed || life_ != disk_->life) return dead();
    return inode_->size();
  }

  Status allocate(uint64_t size) override {
    if (life_ != disk_->life) return dead();
    const Fate fate = disk_->begin("allocate", path_);
    if (fate == Fate::kDead) return dead();
    const uint64_t pages = (size + Inode::kPage - 1) / Inode::kPage;
    const uint64_t has = inode_->pages_used();
    if (!disk_->has_room(pages > has ? pages - has : 0)) return full("reserve space for ");
    inode_->reserve(size);
    if (fate == Fate::kDiesAfter) return dead();
    return {};
  }

  Status truncate(uint64_t size) override {
    if (life_ != disk_->life) return dead();
    const Fate fate = disk_->begin("truncate", path_);
    if (fate == Fate::kDead) return dead();
    inode_->truncate(size, disk_->dice);
    if (fate == Fate::kDiesAfter) return dead();
    return {};
  }

 private:
  using Fate = SimDisk::State::Fate;

  std::unexpected<Error> full(std::string_view what) const {
    return fail(Code::kExhausted, std::string(what) + path_ + ": the simulated disk is full");
  }

  Status aligned(const char* memory, size_t size, uint64_t at) const {
    if (!direct_) return {};
    const bool fits = size % Inode::kPage == 0 && at % Inode::kPage == 0 &&
                      reinterpret_cast<uintptr_t>(memory) % Inode::kSector == 0;
    if (!fits) return fail(Code::kInvalid, path_ + ": direct I/O that is not aligned");
    return {};
  }

  std::shared_ptr<SimDisk::State> disk_;
  std::shared_ptr<Inode> inode_;
  std::string path_;
  uint64_t life_;
  bool direct_;
};

}  // namespace

// -------------------------------------------------------------------------------- the public face

SimDisk::SimDisk(uint64_t seed) : state_(std::make_shared<State>(seed)) {}
SimDisk::~SimDisk() = default;

void SimDisk::set_faults(const SimFaults& faults) { state_->faults = faults; }
const SimFaults& SimDisk::faults() const { return state_->faults; }
void SimDisk::kill() { state_->killed = true; }
bool SimDisk::killed() const { return state_->killed; }
uint64_t SimDisk::io_count() const { return state_->io_count; }
uint64_t SimDisk::sync_count() const { return state_->sync_count; }
uint64_t SimDisk::used_bytes() const { return state_->used_pages() * Inode::kPage; }
uint64_t SimDisk::trace() const { return state_->trace.value(); }

Status SimDisk::foreign_io() {
  if (state_->begin("foreign", "") != State::Fate::kGoOn) return dead();
  return {};
}

void SimDisk::crash(SimCrash how) {
  State& s = *state_;
  if (how == SimCrash::kAny) how = static_cast<SimCrash>(1 + s.dice.below(3));
  // Some crashes lose all of it, some nothing, most some of it.
  constexpr std::array<uint64_t, 6> kKeepPercent = {0, 15, 50, 50, 85, 100};
  const uint64_t drawn = kKeepPercent[s.dice.below(kKeepPercent.size())];
  const uint64_t keep = how == SimCrash::kLost ? 0 : drawn;
  std::set<Inode*> files;  // for each once; the order of the dice comes from the names below
  std::vector<Inode*> ordered;
  const auto gather = [&](const std::shared_ptr<Inode>& inode) {
    if (inode != nullptr && files.insert(inode.get()).second) ordered.push_back(inode.get());
  };
  for (const auto& [name, inode] : s.names) gather(inode);
  for (const auto& [name, inode] : s.durable_names) gather(inode);
  for (const State::NameChange& change : s.unsynced) gather(change.inode);
  for (Inode* inode : ordered) inode->crash(s.dice, keep, how == SimCrash::kReordered);
  for (const State::NameChange& change : s.unsynced) {
    if (s.dice.percent(keep)) State::apply(s.durable_names, change);
  }
  s.unsynced.clear();
  s.names = s.durable_names;
  s.next_life();
}

void SimDisk::restart() { state_->next_life(); }

Status SimDisk::corrupt(const std::string& path, uint64_t offset) {
  const auto found = state_->names.find(normal(path));
  if (found == state_->names.end()) return fail(Code::kNotFound, path + " does not exist");
  if (offset >= found->second->size()) return fail(Code::kInvalid, path + " is not that long");
  found->second->flip_bit(offset, static_cast<unsigned>(state_->dice.below(8)));
  return {};
}

Status SimDisk::overwrite(const std::string& path, uint64_t offset, std::string_view bytes) {
  const auto found = state_->names.find(normal(path));
  if (found == state_->names.end()) return fail(Code::kNotFound, path + " does not exist");
  if (offset + bytes.size() > found->second->size()) {
    return fail(Code::kInvalid, path + " is not that long");
  }
  found->second->overwrite(bytes, offset);
  return {};
}

Result<std::unique_ptr<File>> SimDisk::open(const std::string& path, OpenOptions options) {
  State& s = *state_;
  if (s.killed) return dead();
  const std::string name = normal(path);
  auto found = s.names.find(name);
  if (found == s.names.end()) {
    if (!options.create || !s.directories.contains(parent(name))) {
      return fail(Code::kNotFound, "open " + path + ": it does not exist");
    }
    const auto fate = s.begin("create", name);
    if (fate == State::Fate::kDead) return dead();
    s.change_name({.path = name, .from = "", .inode = std::make_shared<Inode>()});
    if (fate == State::Fate::kDiesAfter) return dead();
    found = s.names.find(name);
  }
  auto file = std::make_unique<SimFile>(state_, found->second, name, options.direct);
  if (options.truncate && found->second->size() > 0) PENSTOCK_CHECK(file->truncate(0));
  return file;
}

Status SimDisk::create_directories(const std::string& path) {
  if (state_->killed) return dead();
  for (std::string at = normal(path); state_->directories.insert(at).second; at = parent(at)) {}
  return {};
}

Result<std::vector<std::string>> SimDisk::list(const std::string& path) const {
  if (state_->killed) return dead();
  const std::string directory = normal(path);
  if (!state_->directories.contains(directory)) {
    return fail(Code::kNotFound, "list " + path + ": it does not exist");
  }
  std::set<std::string> names;
  const auto add = [&](const std::string& name) {
    if (name != directory && parent(name) == directory) {
      names.insert(last_part(name));
    }
  };
  for (const auto& [name, inode] : state_->names) add(name);
  for (const std::string& name : state_->directories) add(name);
  return std::vector<std::string>(names.begin(), names.end());
}

Status SimDisk::rename(const std::string& from, const std::string& to) {
  State& s = *state_;
  if (s.killed) return dead();
  const auto found = s.names.find(normal(from));
  if (found == s.names.end() || !s.directories.contains(parent(normal(to)))) {
    return fail(Code::kNotFound, "rename " + from + ": it does not exist");
  }
  const auto fate = s.begin("rename", normal(to));
  if (fate == State::Fate::kDead) return dead();
  s.change_name({.path = normal(to), .from = normal(from), .inode = found->second});
  if (fate == State::Fate::kDiesAfter) return dead();
  return {};
}

Status SimDisk::remove(const std::string& path) {
  State& s = *state_;
  if (s.killed) return dead();
  if (!s.names.contains(normal(path))) return {};
  const auto fate = s.begin("remove", normal(path));
  if (fate == State::Fate::kDead) return dead();
  s.change_name({.path = normal(path), .from = "", .inode = nullptr});
  if (fate == State::Fate::kDiesAfter) return dead();
  return {};
}

Status SimDisk::sync_directory(const std::string& path) {
  State& s = *state_;
  if (s.killed) return dead();
  const std::string directory = normal(path);
  if (!s.directories.contains(directory)) {
    return fail(Code::kNotFound, "sync " + path + ": it does not exist");
  }
  const auto fate = s.begin("sync directory", directory);
  if (fate == State::Fate::kDead) return dead();
  if (fate == State::Fate::kGoOn && s.fails({SimOp::Kind::kSyncDirectory, directory, 0, 0})) {
    return fail(Code::kUnavailable, "sync " + path + ": simulated I/O error");
  }
  std::vector<State::NameChange> elsewhere;
  for (State::NameChange& change : s.unsynced) {
    const bool here = parent(change.path) == directory ||
                      (!change.from.empty() && parent(change.from) == directory);
    if (here) {
      State::apply(s.durable_names, change);
    } else {
      elsewhere.push_back(std::move(change));
    }
  }
  s.unsynced = std::move(elsewhere);
  if (fate == State::Fate::kDiesAfter) return dead();
  return {};
}

bool SimDisk::exists(const std::string& path) const {
  if (state_->killed) return false;
  return state_->names.contains(normal(path)) || state_->directories.contains(normal(path));
}

Result<uint64_t> SimDisk::free_bytes(const std::string&) const {
  if (state_->killed) return dead();
  const uint64_t capacity = state_->faults.capacity_bytes;
  if (capacity == 0) return uint64_t{1} << 40;
  const uint64_t used = used_bytes();
  return capacity > used ? capacity - used : 0;
}

}  // namespace penstock::runtime
