#include "bench/limit/log.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <new>
#include <stdexcept>

namespace penstock::bench {
namespace {

constexpr uint64_t kFileBytes = uint64_t{256} << 20;  // a ring

}  // namespace

Block::Block() : data_(static_cast<char*>(std::aligned_alloc(kPage, kBytes))) {
  if (data_ == nullptr) throw std::bad_alloc();
  std::memset(data_, 0, kBytes);
}
Block::~Block() { std::free(data_); }

void Block::full() { throw std::runtime_error("the block is full"); }

size_t Block::pad() {
  const size_t padded = (size_ + kPage - 1) / kPage * kPage;
  std::memset(data_ + size_, 0, padded - size_);
  return padded;
}

FloorLog::FloorLog(const std::string& path, int wake_fd) : wake_fd_(wake_fd) {
  const int plain = ::open(path.c_str(), O_CREAT | O_TRUNC | O_WRONLY, 0644);
  for (uint64_t at = 0; plain >= 0 && at < kFileBytes; at += Block::kBytes) {
    if (::write(plain, first_.data(), Block::kBytes) < 0) break;
  }
  ::fsync(plain);
  ::close(plain);
  fd_ = ::open(path.c_str(), O_WRONLY | O_DIRECT);
  if (fd_ < 0) throw std::runtime_error(path + ": " + std::strerror(errno));
  writer_ = std::thread([this] { write_blocks(); });
}

FloorLog::~FloorLog() {
  {
    const std::lock_guard lock(mutex_);
    ends_ = true;
  }
  changed_.notify_one();
  writer_.join();
  ::close(fd_);
}

void FloorLog::write_blocks() {
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return has_work_ || ends_; });
      if (ends_) return;
    }
    const size_t bytes = under_way_->pad();
    if (at_ + bytes > kFileBytes) at_ = 0;
    if (::pwrite(fd_, under_way_->data(), bytes, static_cast<off_t>(at_)) < 0 ||
        ::fdatasync(fd_) != 0) {
      std::perror("the floor's log");
      std::abort();  // a floor that answers without a write would be a lie
    }
    at_ += bytes;
    under_way_->clear();
    {
      const std::lock_guard lock(mutex_);
      has_work_ = false;
    }
    const uint64_t one = 1;
    if (::write(wake_fd_, &one, sizeof one) < 0) std::perror("eventfd");
  }
}

std::vector<int> FloorLog::committed() { return std::move(in_flight_); }

void FloorLog::kick() {
  {
    const std::lock_guard lock(mutex_);
    if (has_work_ || waiting_.empty() || !in_flight_.empty()) return;
    std::swap(open_, under_way_);
    in_flight_.swap(waiting_);
    has_work_ = true;
  }
  changed_.notify_one();
}

}  // namespace penstock::bench
