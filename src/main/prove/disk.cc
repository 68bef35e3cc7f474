#include "main/prove/disk.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <vector>

namespace penstock::cli::prove {
namespace {

constexpr int kSyncs = 100;
constexpr size_t kBlock = 4096;
constexpr double kTooFastMs = 0.02;  // no disk with a cache that survives is faster
constexpr int64_t kXfsMagic = 0x58465342;
constexpr uint64_t kWanted = 2ULL << 30;

std::string name_of(int64_t magic) {
  switch (magic) {
    case EXT4_SUPER_MAGIC: return "ext4";
    case kXfsMagic: return "xfs";
    case BTRFS_SUPER_MAGIC: return "btrfs";
    case TMPFS_MAGIC: return "tmpfs";
    case OVERLAYFS_SUPER_MAGIC: return "overlay";
    case NFS_SUPER_MAGIC: return "nfs";
    default: return fmt::format("0x{:x}", magic);
  }
}

std::string warning_of(const DiskReport& r) {
  if (r.file_system == "tmpfs") {
    return "This directory lies in memory: nothing in it survives a power failure.";
  }
  if (r.file_system == "nfs") {
    return "This is a network file system: its server decides what a sync means.";
  }
  if (r.sync_ms_p50 < kTooFastMs) {
    return "Syncs return faster than a disk can write: this disk, or the machine below a virtual "
           "one, may acknowledge before data is safe from a power failure.";
  }
  if (r.free_bytes < kWanted) return "Less than 2 GiB are free here.";
  return "";
}

}  // namespace

Result<DiskReport> look_at_disk(const std::string& directory) {
  struct statfs fs{};
  if (::statfs(directory.c_str(), &fs) != 0) {
    return fail(Code::kUnavailable, "cannot look at the file system of " + directory);
  }
  DiskReport out;
  out.file_system = name_of(fs.f_type);
  out.free_bytes = static_cast<uint64_t>(fs.f_bavail) * static_cast<uint64_t>(fs.f_bsize);
  const std::string path = directory + "/sync-probe";
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return fail(Code::kDenied, "cannot write " + path);
  const std::string block(kBlock, 'p');
  std::vector<double> ms;
  bool failed = false;
  for (int i = 0; i < kSyncs && !failed; i++) {
    failed = ::write(fd, block.data(), block.size()) != static_cast<ssize_t>(kBlock);
    const auto begun = std::chrono::steady_clock::now();
    failed = failed || ::fdatasync(fd) != 0;
    const auto taken = std::chrono::steady_clock::now() - begun;
    ms.push_back(std::chrono::duration<double, std::milli>(taken).count());
  }
  ::close(fd);
  ::unlink(path.c_str());
  if (failed) return fail(Code::kUnavailable, "cannot write and sync " + path);
  std::ranges::sort(ms);
  out.sync_ms_p50 = ms[ms.size() / 2];
  out.sync_ms_p99 = ms[ms.size() * 99 / 100];
  out.warning = warning_of(out);
  return out;
}

}  // namespace penstock::cli::prove
