// The floor's log: frames gather in memory, one thread writes them as a block with O_DIRECT into a
// file that was written before (so that no file system metadata is in the way) and syncs it. What
// gathers meanwhile is the next block: group commit and nothing else. No recovery, no retention.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <cstring>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace penstock::bench {

/// A page-aligned buffer of fixed size, touched once so that no page fault is measured.
class Block {
 public:
  static constexpr size_t kBytes = size_t{16} << 20;
  static constexpr size_t kPage = 4096;
  Block();
  ~Block();
  Block(const Block&) = delete;
  Block& operator=(const Block&) = delete;

  void append(std::string_view bytes) {
    if (size_ + bytes.size() + kPage > kBytes) full();
    std::memcpy(data_ + size_, bytes.data(), bytes.size());
    size_ += bytes.size();
  }
  [[nodiscard]] char* data() const { return data_; }
  [[nodiscard]] size_t size() const { return size_; }
  void clear() { size_ = 0; }
  /// Fills up to the next page with zeros and returns the padded size.
  [[nodiscard]] size_t pad();

 private:
  [[noreturn]] static void full();

  char* data_;
  size_t size_ = 0;
};

class FloorLog {
 public:
  /// `wake_fd` is an eventfd that is written after every commit.
  FloorLog(const std::string& path, int wake_fd);
  ~FloorLog();
  FloorLog(const FloorLog&) = delete;
  FloorLog& operator=(const FloorLog&) = delete;

  /// Where the loop thread writes frames.
  [[nodiscard]] Block& open_block() { return *open_; }
  /// Loop thread: the answer of this connection waits for the open block.
  void wait_for_commit(int connection) { waiting_.push_back(connection); }
  /// Loop thread, after a wake: the connections that may be answered now.
  [[nodiscard]] std::vector<int> committed();
  /// Loop thread: hands the open block to the writer if it is free.
  void kick();

 private:
  void write_blocks();

  int fd_ = -1;
  int wake_fd_;
  Block first_, second_;
  Block* open_ = &first_;
  Block* under_way_ = &second_;
  std::vector<int> waiting_, in_flight_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool has_work_ = false;
  bool ends_ = false;
  uint64_t at_ = 0;
  std::thread writer_;
};

}  // namespace penstock::bench
