// What a durable append costs: the embedded log against a bare loop that does memcpy, CRC32C, an
// O_DIRECT write and fdatasync on a recycled file.
//
//   log_bench DIR log|limit SENDERS RECORDS BYTES SECONDS [DELAY_US]
//
// Closed loop: SENDERS appends of RECORDS records of BYTES are under way at any time. Prints events
// per second, CPU per event of the whole process, commits and latency.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstring>
#include <filesystem>
#include <thread>

#include "base/hash.h"
#include "log/embedded/format.h"
#include "log/embedded_log.h"
#include "runtime/real_runtime.h"

namespace penstock::log {
namespace {

struct Load {
  std::string directory;
  int senders = 1, records = 1;
  size_t bytes = 1000;
  int seconds = 3;
  int64_t delay_us = 1000;
};

int64_t now_us() {
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1'000'000 + t.tv_nsec / 1000;
}
int64_t cpu_us() {
  rusage u{};
  getrusage(RUSAGE_SELF, &u);
  return (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1'000'000 + u.ru_utime.tv_usec +
         u.ru_stime.tv_usec;
}

struct Meter {
  int64_t started = now_us(), cpu = cpu_us();
  int64_t events = 0, commits = 0;
  std::vector<int64_t> latencies;

  void print(const char* what) {
    const int64_t wall = now_us() - started, used = cpu_us() - cpu;
    std::sort(latencies.begin(), latencies.end());
    const auto at = [&](size_t percent) {
      return latencies.empty() ? 0 : latencies[(latencies.size() - 1) * percent / 100];
    };
    fmt::print(
        "{:6} {:9.0f} events/s  {:7.0f} ns CPU/event  {:5.0f} commits/s  {:4.0f} us CPU/commit"
        "  p50 {} us  p99 {} us\n",
        what, 1e6 * static_cast<double>(events) / static_cast<double>(wall),
        1e3 * static_cast<double>(used) / static_cast<double>(std::max<int64_t>(1, events)),
        1e6 * static_cast<double>(commits) / static_cast<double>(wall),
        static_cast<double>(used) / static_cast<double>(std::max<int64_t>(1, commits)), at(50),
        at(99));
  }
};

void run_log(const Load& load) {
  auto runtime = runtime::make_real_runtime();
  runtime::LoopThread home("log"), caller("caller");
  home.start();
  caller.start();
  EmbeddedLogOptions options;
  options.directory = load.directory + "/log";
  options.commit_delay_us_max = load.delay_us;
  auto log = open_embedded_log(*runtime, home.loop(), options);
  TopicSpec spec;
  spec.name = "lane";
  spec.partitions = 8;
  spec.retention_bytes = 256U << 20;
  if (const Status s = log->start({spec}); !s) return fmt::print("{}\n", s.error().message);
  std::string data;
  for (int i = 0; i < load.records; i++) encode_record(data, std::string(load.bytes, 'x'));
  Meter meter;
  std::atomic<bool> stop{false};
  std::atomic<int> left{load.senders};
  std::function<void(int)> send = [&](int sender) {
    Batch b;
    b.partition = {sender % 8};
    b.count = static_cast<uint32_t>(load.records);
    b.data = data;
    std::vector<Batch> batches;
    batches.push_back(std::move(b));
    log->append(caller.loop(), "lane", std::move(batches),
                [&, sender, at = now_us()](Result<std::vector<Appended>> got) {
                  if (!got) fmt::print("{}\n", got.error().message);
                  meter.events += load.records;
                  meter.latencies.push_back(now_us() - at);
                  if (stop || !got) {
                    left--;
                    left.notify_all();
                    return;
                  }
                  send(sender);
                });
  };
  caller.loop().post([&] {
    for (int i = 0; i < load.senders; i++) send(i);
  });
  ::sleep(2);  // segments exist, memory is touched
  std::atomic<bool> reset{false};
  uint64_t before = 0;
  caller.loop().post([&] {
    before = log->stats().commits;
    meter = Meter();
    reset = true;
    reset.notify_all();
  });
  reset.wait(false);
  ::sleep(static_cast<unsigned>(load.seconds));
  std::atomic<bool> printed{false};
  caller.loop().post([&] {
    meter.commits = static_cast<int64_t>(log->stats().commits - before);
    meter.print("log");
    printed = true;
    printed.notify_all();
  });
  printed.wait(false);
  stop = true;
  for (int n = left; n > 0; n = left) left.wait(n);
  log->stop();
}

/// Gathers while the other thread writes, as the limit server does.
void run_limit(const Load& load) {
  constexpr uint64_t kFile = 256U << 20;
  const std::string path = load.directory + "/limit.bin";
  AlignedBuffer block, outbox;
  for (AlignedBuffer* b : {&block, &outbox}) {
    b->reserve(16U << 20);
    std::memset(b->data(), 0, b->capacity());
  }
  int fd = ::open(path.c_str(), O_CREAT | O_WRONLY, 0600);
  for (uint64_t at = 0; at < kFile; at += block.capacity()) {
    if (::write(fd, block.data(), block.capacity()) < 0) return;
  }
  ::fsync(fd);
  ::close(fd);
  fd = ::open(path.c_str(), O_WRONLY | O_DIRECT);
  std::mutex mutex;
  std::condition_variable changed;
  size_t work = 0;
  bool ending = false;
  uint64_t position = 0;
  std::thread syncer([&] {
    for (;;) {
      std::unique_lock lock(mutex);
      changed.wait(lock, [&] { return work > 0 || ending; });
      if (ending) return;
      const size_t n = padded(work);
      lock.unlock();
      std::memset(outbox.data() + work, 0, n - work);
      const uint32_t crc = crc32c({outbox.data() + 64, work - 64});
      std::memcpy(outbox.data(), &crc, sizeof crc);
      if (position + n > kFile) position = 0;
      if (::pwrite(fd, outbox.data(), n, static_cast<off_t>(position)) < 0) std::abort();
      ::fdatasync(fd);
      position += n;
      lock.lock();
      work = 0;
      changed.notify_all();
    }
  });
  const std::string record(load.bytes + 2, 'x');
  const size_t append_bytes = record.size() * static_cast<size_t>(load.records);
  const std::string data(append_bytes, 'x');
  Meter meter;
  std::vector<int64_t> gathered, flying;
  size_t used = 64;
  int to_send = load.senders;
  bool measured = false;
  const int64_t begin = now_us();
  for (;;) {
    const int64_t now = now_us();
    if (!measured && now - begin > 2'000'000) {
      meter = Meter();
      measured = true;
    }
    if (measured && now - meter.started > load.seconds * 1'000'000) break;
    for (; to_send > 0; to_send--) {
      std::memcpy(block.data() + used, data.data(), data.size());
      used += data.size();
      gathered.push_back(now_us());
    }
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return work == 0; });
    for (const int64_t at : flying) meter.latencies.push_back(now_us() - at);
    to_send = static_cast<int>(flying.size());
    meter.events += static_cast<int64_t>(flying.size()) * load.records;
    meter.commits += flying.empty() ? 0 : 1;
    flying.clear();
    if (gathered.empty()) continue;
    std::swap(block, outbox);
    flying.swap(gathered);
    work = used;
    used = 64;
    changed.notify_all();
  }
  meter.print("limit");
  {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return work == 0; });
    ending = true;
    changed.notify_all();
  }
  syncer.join();
  ::close(fd);
  std::filesystem::remove(path);
}

}  // namespace
}  // namespace penstock::log

int main(int argc, char** argv) {
  if (argc < 7) return 1;
  penstock::log::Load load;
  load.directory = argv[1];
  load.senders = std::stoi(argv[3]);
  load.records = std::stoi(argv[4]);
  load.bytes = std::stoul(argv[5]);
  load.seconds = std::stoi(argv[6]);
  if (argc > 7) load.delay_us = std::stol(argv[7]);
  std::string_view(argv[2]) == "log" ? penstock::log::run_log(load)
                                     : penstock::log::run_limit(load);
  return 0;
}
