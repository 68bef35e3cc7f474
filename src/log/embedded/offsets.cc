#include "log/embedded/offsets.h"

#include <fmt/format.h>

#include <algorithm>
#include <sstream>

#include "base/hash.h"

namespace penstock::log {
namespace {

constexpr size_t kFileBytesMax = 16U << 20;
constexpr size_t kGroupsMax = 4096;  // (group, topic) pairs
constexpr std::string_view kEnd = "crc32c ";

bool is_word(const std::string& s) {
  return !s.empty() && s.size() <= 255 &&
         std::all_of(s.begin(), s.end(), [](unsigned char c) { return c > ' ' && c < 127; });
}

}  // namespace

Status Offsets::load(runtime::FileSystem& files) {
  if (!files.exists(path_)) return {};
  PENSTOCK_TRY(const std::string text, runtime::read_file(files, path_, kFileBytesMax));
  const size_t end = text.rfind(kEnd);
  const bool sound =
      end != std::string::npos &&
      text.substr(end) == fmt::format("{}{:08x}\n", kEnd, crc32c(text.substr(0, end)));
  if (!sound) {
    return fail(Code::kCorrupt, path_ +
                                    " is not what was written; put a backup in its place, or "
                                    "remove it and every consumer begins at the oldest record");
  }
  std::istringstream in(text.substr(0, end));
  std::string group, topic;
  Partition partition;
  Offset next;
  const std::lock_guard lock(mutex_);
  while (in >> group >> topic >> partition.value >> next.value) {
    positions_[{group, topic}][partition] = next;
  }
  return {};
}

std::string Offsets::text() const {
  std::string out;
  for (const auto& [key, positions] : positions_) {
    for (const auto& [partition, next] : positions) {
      out += fmt::format("{} {} {} {}\n", key.first, key.second, partition.value, next.value);
    }
  }
  out += fmt::format("{}{:08x}\n", kEnd, crc32c(out));
  return out;
}

Status Offsets::save(runtime::FileSystem& files) {
  const std::lock_guard saving(save_mutex_);
  std::string content;
  uint64_t version = 0;
  {
    const std::lock_guard lock(mutex_);
    if (saved_ == version_) return {};
    content = text();
    version = version_;
  }
  PENSTOCK_CHECK(runtime::write_file_atomic(files, path_, content));
  const std::lock_guard lock(mutex_);
  saved_ = version;
  return {};
}

Status Offsets::commit(const std::string& group, const std::string& topic,
                       const std::vector<Position>& positions) {
  if (!is_word(group) || !is_word(topic)) {
    return fail(Code::kInvalid, "names of groups and topics are printable, without spaces");
  }
  const std::lock_guard lock(mutex_);
  const Key key{group, topic};
  if (positions_.size() >= kGroupsMax && !positions_.contains(key)) {
    return fail(Code::kExhausted, "there are too many consumer groups");
  }
  for (const Position& p : positions) positions_[key][p.partition] = p.next;
  version_++;
  return {};
}

std::vector<Position> Offsets::committed(const std::string& group, const std::string& topic) const {
  const std::lock_guard lock(mutex_);
  std::vector<Position> out;
  const auto it = positions_.find({group, topic});
  if (it == positions_.end()) return out;
  for (const auto& [partition, next] : it->second) out.push_back({partition, next});
  return out;
}

std::vector<int64_t> Offsets::required(const TopicSpec& topic) const {
  const std::lock_guard lock(mutex_);
  std::vector<int64_t> out(static_cast<size_t>(topic.partitions), INT64_MAX);
  for (const std::string& group : topic.required_groups) {
    const auto it = positions_.find({group, topic.name});
    for (size_t p = 0; p < out.size(); p++) {
      int64_t next = 0;
      if (it != positions_.end()) {
        const auto found = it->second.find(Partition{static_cast<int32_t>(p)});
        if (found != it->second.end()) next = found->second.value;
      }
      out[p] = std::min(out[p], next);
    }
  }
  return out;
}

}  // namespace penstock::log
