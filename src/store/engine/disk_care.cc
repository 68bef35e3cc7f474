#include "store/engine/disk_care.h"

#include <sys/statvfs.h>

#include <chrono>
#include <cstdio>
#include <ctime>
#include <limits>
#include <sstream>
#include <thread>

namespace penstock::store {
namespace {

constexpr uint64_t kMiB = 1 << 20;
constexpr uint64_t kOpenBytes = 16 * kMiB;
constexpr uint64_t kInsertBytes = 96 * kMiB, kInsertFactor = 2;
constexpr uint64_t kReadBackBelow = 1024 * kMiB;
constexpr uint64_t kNoMergesBelow = 192 * kMiB, kMergesAbove = 256 * kMiB;
constexpr std::chrono::milliseconds kLook{200};

}  // namespace

uint64_t DiskCare::free_bytes() const {
  struct statvfs fs{};
  if (::statvfs(directory_.c_str(), &fs) != 0) return std::numeric_limits<uint64_t>::max();
  return static_cast<uint64_t>(fs.f_bavail) * static_cast<uint64_t>(fs.f_frsize);
}

bool DiskCare::may_open() const { return free_bytes() >= kOpenBytes; }

bool DiskCare::has_room(uint64_t bytes) const {
  return free_bytes() >= kInsertBytes + kInsertFactor * bytes;
}

std::string DiskCare::begin_insert(uint64_t bytes) {
  low_ = free_bytes() < kReadBackBelow + kInsertFactor * bytes;
  began_s_ = ::time(nullptr);
  if (has_room(bytes)) return {};
  return "the disk has no room for an insert. (NOT_ENOUGH_SPACE)";
}

std::string DiskCare::end_insert(EngineLibrary::Connection connection) {
  if (!low_ && free_bytes() >= kReadBackBelow) return {};
  const EngineAnswer parts = library_.ask(
      connection,
      "SELECT table, name FROM system.parts WHERE active AND database = currentDatabase() AND "
      "modification_time >= toDateTime(" +
          std::to_string(began_s_ - 1) + ")",
      "TSV");
  if (!parts.error.empty()) return parts.error;
  bool damaged = false;
  std::istringstream lines(parts.body);
  for (std::string table, name; lines >> table >> name;) {
    const EngineAnswer check = library_.ask(connection,
                                            "CHECK TABLE `" + table + "` PART '" + name +
                                                "' SETTINGS "
                                                "check_query_single_value_result = 1",
                                            "TSV");
    if (check.error.empty() && check.body.starts_with('1')) continue;
    // Merged away meanwhile, and read back under its new name or unmerged when that was made.
    if (check.error.find("NO_SUCH_DATA_PART") != std::string::npos) continue;
    std::fprintf(stderr, "penstock: part %s of %s was damaged while it was written: %s%s\n",
                 name.c_str(), table.c_str(), check.error.c_str(), check.body.c_str());
    damaged = true;
    const EngineAnswer drop =
        library_.ask(connection, "ALTER TABLE `" + table + "` DROP PART '" + name + "'", "Null");
    if (!drop.error.empty()) return drop.error;
  }
  if (!damaged) return {};
  return "a part was damaged while the disk was full. (NOT_ENOUGH_SPACE)";
}

void DiskCare::watch(const std::function<void(std::string)>& run) const {
  for (bool stopped = false;; std::this_thread::sleep_for(kLook)) {
    const uint64_t free = free_bytes();
    if (!stopped && free < kNoMergesBelow) {
      run("SYSTEM STOP MERGES");
      stopped = true;
    } else if (stopped && free > kMergesAbove) {
      run("SYSTEM START MERGES");
      stopped = false;
    }
  }
}

}  // namespace penstock::store
