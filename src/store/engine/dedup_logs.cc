#include "store/engine/dedup_logs.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <charconv>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

namespace penstock::store {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kLogPrefix = "deduplication_log_";
constexpr std::string_view kAdd = "1", kDrop = "2";

/// Of a part's name: partition_min_max_level, and a mutation's number after it.
struct Part {
  std::string partition;
  uint64_t min = 0, max = 0;
};

std::vector<std::string_view> split(std::string_view text, char by) {
  std::vector<std::string_view> out;
  for (size_t at = 0; at <= text.size();) {
    const size_t end = std::min(text.find(by, at), text.size());
    out.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return out;
}

std::optional<uint64_t> number(std::string_view text) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<Part> part_named(std::string_view name) {
  const std::vector<std::string_view> fields = split(name, '_');
  if (fields.size() != 4 && fields.size() != 5) return std::nullopt;
  const auto min = number(fields[1]), max = number(fields[2]);
  if (!min || !max || !number(fields[3])) return std::nullopt;
  return Part{std::string(fields[0]), *min, *max};
}

bool is_there(const std::vector<Part>& parts, const Part& wanted) {
  for (const Part& p : parts) {
    if (p.partition == wanted.partition && p.min <= wanted.min && wanted.max <= p.max) return true;
  }
  return false;
}

Result<std::string> read(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  if (in.bad() || !in.is_open()) return fail(Code::kUnavailable, "cannot read " + path.string());
  return text;
}

/// The logs of one table in their order.
std::map<uint64_t, fs::path> logs_of(const fs::path& directory) {
  std::map<uint64_t, fs::path> out;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(directory, error)) {
    const std::string name = entry.path().stem().string();
    if (!name.starts_with(kLogPrefix)) continue;
    if (const auto n = number(std::string_view(name).substr(kLogPrefix.size()))) {
      out[*n] = entry.path();
    }
  }
  return out;
}

std::vector<Part> parts_of(const fs::path& table) {
  std::vector<Part> out;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(table, error)) {
    if (auto part = part_named(entry.path().filename().string())) out.push_back(std::move(*part));
  }
  return out;
}

Result<size_t> strike_in(const fs::path& table) {
  const std::map<uint64_t, fs::path> logs = logs_of(table / "deduplication_logs");
  std::map<std::string, std::string, std::less<>> noted;  // block to part
  for (const auto& [n, path] : logs) {
    PENSTOCK_TRY(std::string text, read(path));
    const size_t whole = text.rfind('\n') + 1;  // 0: no line is
    if (whole < text.size()) {
      std::error_code error;
      fs::resize_file(path, whole, error);
      if (error) return fail(Code::kUnavailable, path.string() + ": " + error.message());
      text.resize(whole);
    }
    for (const std::string_view line : split(text, '\n')) {
      const std::vector<std::string_view> fields = split(line, '\t');
      if (fields.size() != 3) continue;
      if (fields[0] == kAdd) noted.insert_or_assign(std::string(fields[2]), fields[1]);
      if (fields[0] == kDrop) noted.erase(std::string(fields[2]));
    }
  }
  const std::vector<Part> parts = parts_of(table);
  std::string strikes;
  size_t count = 0;
  for (const auto& [block, name] : noted) {
    const auto part = part_named(name);
    if (!part || is_there(parts, *part)) continue;
    strikes += std::string(kDrop) + '\t' + name + '\t' + block + '\n';
    count++;
  }
  if (count == 0) return count;
  std::ofstream out(logs.rbegin()->second, std::ios::binary | std::ios::app);
  out << strikes << std::flush;
  if (!out) return fail(Code::kUnavailable, "cannot write " + logs.rbegin()->second.string());
  return count;
}

/// Opens it for `use`; false: that failed, or could not be begun.
bool with_open(const fs::path& path, const std::function<bool(int)>& use) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const bool done = use(fd);
  ::close(fd);
  return done;
}

bool write_through(int fd) {
  int flags = 0;
  if (::ioctl(fd, FS_IOC_GETFLAGS, &flags) != 0) return false;
  if ((flags & FS_SYNC_FL) != 0) return true;
  flags |= FS_SYNC_FL;
  // What was written before is not written through.
  return ::ioctl(fd, FS_IOC_SETFLAGS, &flags) == 0 && ::fsync(fd) == 0;
}

/// The folders of all tables' logs.
std::vector<fs::path> log_folders(const std::string& directory) {
  std::vector<fs::path> out;
  std::error_code error;
  for (const auto& group : fs::directory_iterator(fs::path(directory) / "store", error)) {
    for (const auto& table : fs::directory_iterator(group.path(), error)) {
      const fs::path logs = table.path() / "deduplication_logs";
      if (fs::is_directory(logs, error)) out.push_back(logs);
    }
  }
  return out;
}

}  // namespace

bool write_logs_through(const std::string& directory) {
  const std::vector<fs::path> folders = log_folders(directory);
  bool all = !folders.empty();
  for (const fs::path& folder : folders) {
    all = with_open(folder, write_through) && all;
    for (const auto& [n, path] : logs_of(folder)) all = with_open(path, write_through) && all;
  }
  return all;
}

Status sync_logs(const std::string& directory) {
  for (const fs::path& folder : log_folders(directory)) {
    const auto logs = logs_of(folder);
    if (logs.empty()) continue;
    const auto sync = [](int fd) { return ::fsync(fd) == 0; };
    if (with_open(logs.rbegin()->second, sync) && with_open(folder, sync)) continue;
    return fail(Code::kUnavailable, "cannot sync " + logs.rbegin()->second.string());
  }
  return {};
}

Result<size_t> strike_lost_blocks(const std::string& directory) {
  size_t count = 0;
  std::error_code error;
  for (const auto& group : fs::directory_iterator(fs::path(directory) / "store", error)) {
    for (const auto& table : fs::directory_iterator(group.path(), error)) {
      PENSTOCK_TRY(const size_t struck, strike_in(table.path()));
      count += struck;
    }
  }
  return count;
}

}  // namespace penstock::store
