// The engine child: loads the library, runs what the frames ask for, answers, dies with its parent.
//
// One thread reads frames; one runs inserts and set-up, one upkeep, one cancels and answers how it
// goes; a few run queries, each on a connection of its own whose limits are set before the
// statement and cannot be changed by it (readonly). Compiled without sanitizers, which the library
// does not survive.
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/codec.h"
#include "base/result.h"
#include "store/dialect/broken_parts.h"
#include "store/engine/dedup_logs.h"
#include "store/engine/disk_care.h"
#include "store/engine/error_code.h"
#include "store/engine/library.h"
#include "store/engine/protocol.h"
#include "store/engine/sandbox.h"
#include "store/engine/table_files.h"
#include "store/engine_store.h"

namespace penstock::store {
namespace {

constexpr size_t kQueryThreads = 3;
constexpr uintmax_t kEngineLogBytesMax = 1U << 20;  // at a start; then it begins anew
constexpr size_t kCancelledMax = 256;
// A query that was taken from the queue may not be in the engine's list yet: killing is repeated.
constexpr int kKillTries = 20;
constexpr std::chrono::milliseconds kKillPause{50};

// Upkeep leaves the cores to the others; its mutations are waited for by asking.
constexpr std::string_view kUpkeepSetup = "SET max_threads = 1, mutations_sync = 0";

using Operands = std::shared_ptr<std::string>;  // a whole frame; ByteReader skips its head

class Child {
 public:
  Child(EngineLibrary library, int fd, std::vector<std::string> arguments, std::string directory)
      : library_(library),
        directory_(directory),
        disk_(library_, std::move(directory)),
        fd_(fd),
        arguments_(std::move(arguments)) {}

  int run() {
    main_ = library_.open(arguments_);
    control_ = main_ == nullptr ? nullptr : library_.open(arguments_);
    upkeep_ = control_ == nullptr ? nullptr : library_.open(arguments_);
    if (upkeep_ == nullptr || !library_.ask(upkeep_, kUpkeepSetup, "Null").error.empty()) {
      std::fprintf(stderr, "penstock: the engine could not open its directory\n");
      return 1;
    }
    threads_.emplace_back([this] { work(inserts_); });
    threads_.emplace_back([this] { work(controls_); });
    threads_.emplace_back([this] { work(upkeeps_); });
    threads_.emplace_back([this] {
      disk_.watch([this](std::string statement) {
        push(controls_,
             [this, sql = std::move(statement)] { library_.ask(control_, sql, "Null"); });
      });
    });
    for (size_t i = 0; i < kQueryThreads; i++) threads_.emplace_back([this] { work(queries_); });
    for (;;) {
      auto frame = std::make_shared<std::string>();
      if (!read_frame(*frame)) break;
      dispatch(std::move(frame));
    }
    // The parent has gone or says goodbye: what is running ends with the process.
    std::fflush(nullptr);
    ::_exit(0);
  }

 private:
  struct Queue {
    std::deque<std::function<void()>> jobs;  // bounded by the parent's requests_max
    std::condition_variable ready;
  };

  bool read_exact(char* out, size_t n) {
    while (n > 0) {
      const ssize_t got = ::read(fd_, out, n);
      if (got <= 0) return false;
      out += got;
      n -= static_cast<size_t>(got);
    }
    return true;
  }

  bool read_frame(std::string& frame) {
    uint32_t size = 0;
    if (!read_exact(reinterpret_cast<char*>(&size), sizeof size) || size > kFrameBytesMax) {
      return false;
    }
    frame.resize(size);
    return read_exact(frame.data(), size);
  }

  void send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n <= 0) return;
      bytes.remove_prefix(static_cast<size_t>(n));
    }
  }

  void reply(uint64_t id, const std::string& body) {
    std::string head;
    ByteWriter w(head);
    w.u32(static_cast<uint32_t>(body.size() + 8));
    w.u64(id);
    const std::lock_guard lock(write_mutex_);
    send(head);
    send(body);
  }

  void reply_error(uint64_t id, Code code, std::string_view message) {
    std::string body;
    ByteWriter w(body);
    w.u8(0);
    w.u8(static_cast<uint8_t>(code));
    w.bytes(message);
    reply(id, body);
  }

  void reply_answer(uint64_t id, const EngineAnswer& a, Code (*code_of)(std::string_view)) {
    if (!a.error.empty()) return reply_error(id, code_of(a.error), readable_error(a.error));
    std::string body;
    ByteWriter w(body);
    w.u8(1);
    w.u64(a.rows);
    w.u64(a.bytes);
    w.i64(a.elapsed_us);
    w.bytes(a.body);
    reply(id, body);
  }

  void push(Queue& queue, std::function<void()> job) {
    {
      const std::lock_guard lock(mutex_);
      queue.jobs.push_back(std::move(job));
    }
    queue.ready.notify_one();
  }

  void work(Queue& queue) {
    for (;;) {
      std::function<void()> job;
      {
        std::unique_lock lock(mutex_);
        queue.ready.wait(lock, [&queue] { return !queue.jobs.empty(); });
        job = std::move(queue.jobs.front());
        queue.jobs.pop_front();
      }
      job();
    }
  }

  void dispatch(Operands frame) {
    ByteReader in(*frame);
    const uint64_t id = in.u64();
    const auto op = static_cast<EngineOp>(in.u8());
    const std::string_view rest = in.rest();
    // The frame travels with the job: `rest` points into it.
    switch (op) {
      case EngineOp::kInsert: return push(inserts_, [this, id, frame, rest] { insert(id, rest); });
      case EngineOp::kRun:
        return push(inserts_, [this, id, frame, rest] { run_sql(main_, id, rest); });
      case EngineOp::kDefine: return push(inserts_, [this, id, frame, rest] { define(id, rest); });
      case EngineOp::kUpkeep: return push(upkeeps_, [this, id, frame, rest] { upkeep(id, rest); });
      case EngineOp::kQuery: return push(queries_, [this, id, frame, rest] { query(id, rest); });
      case EngineOp::kCancel: return cancel(id, rest);
      case EngineOp::kStats: return push(controls_, [this, id] { stats(id); });
    }
    reply_error(id, Code::kBug, "an unknown request");
  }

  void insert(uint64_t id, std::string_view operands) {
    ByteReader in(operands);
    EngineAnswer last;
    last.error = disk_.begin_insert(operands.size());
    notes_last_ = notes_last_ || write_logs_through(directory_);
    for (uint64_t n = in.varint(); n > 0 && in.ok() && last.error.empty(); n--) {
      const std::string_view statement = in.bytes(), rows = in.bytes();
      if (!in.ok()) break;
      if (!rows.empty()) {
        last = library_.insert(main_, statement, rows);
      } else if (last = library_.ask(main_, statement, "Null"); last.error.empty()) {
        last.error = unwritten_file();
      }
    }
    const bool whole = in.ok() || !last.error.empty();
    if (!whole) return reply_error(id, Code::kBug, "a malformed insert");
    if (last.error.empty()) last.error = disk_.end_insert(main_);
    if (last.error.empty() && !notes_last_) {
      if (const Status synced = sync_logs(directory_); !synced) last.error = synced.error().message;
    }
    reply_answer(id, last, insert_error_code);
  }

  /// Empty: the engine will know its tables again.
  std::string unwritten_file() {
    const Status whole = check_table_files(directory_);
    return whole ? "" : whole.error().message;
  }

  void define(uint64_t id, std::string_view operands) {
    ByteReader in(operands);
    const std::string_view sql = in.bytes(), format = in.bytes();
    EngineAnswer answer;
    answer.error = disk_.begin_insert(0);
    if (answer.error.empty()) answer = library_.ask(main_, sql, format);
    if (answer.error.empty()) answer.error = disk_.end_insert(main_);
    if (answer.error.empty()) answer.error = unwritten_file();
    if (answer.error.empty()) keep_table_files(directory_);
    reply_answer(id, answer, insert_error_code);
  }

  void upkeep(uint64_t id, std::string_view operands) {
    // A mutation's file is not written without room, and the engine would not say so.
    if (ByteReader(operands).bytes().starts_with("ALTER") && !disk_.has_room(0)) {
      return reply_error(id, Code::kUnavailable, "the disk has no room for a mutation");
    }
    run_sql(upkeep_, id, operands);
  }

  void run_sql(EngineLibrary::Connection connection, uint64_t id, std::string_view operands) {
    ByteReader in(operands);
    const std::string_view sql = in.bytes(), format = in.bytes();
    reply_answer(id, library_.ask(connection, sql, format), insert_error_code);
  }

  void query(uint64_t id, std::string_view operands) {
    ByteReader in(operands);
    const std::string marker(in.bytes());
    const std::string_view setup = in.bytes(), sql = in.bytes(), format = in.bytes();
    if (!begin(marker)) return reply_error(id, Code::kCancelled, "the query was cancelled");
    EngineAnswer answer;
    if (const auto connection = library_.open(arguments_); connection != nullptr) {
      answer = library_.ask(connection, setup, "Null");
      if (answer.error.empty()) {
        answer = library_.ask(connection, "/* " + marker + " */ " + std::string(sql), format);
      }
      library_.close(connection);
    } else {
      answer.error = "no connection (CANNOT_SCHEDULE_TASK)";
    }
    const bool cancelled = end(marker);
    if (cancelled && !answer.error.empty()) {
      return reply_error(id, Code::kCancelled, "the query was cancelled");
    }
    reply_answer(id, answer, query_error_code);
  }

  /// False: it was cancelled while it waited.
  bool begin(const std::string& marker) {
    const std::lock_guard lock(mutex_);
    if (std::erase(cancelled_, marker) > 0) return false;
    running_.insert(marker);
    return true;
  }

  /// True: somebody asked for it to stop.
  bool end(const std::string& marker) {
    const std::lock_guard lock(mutex_);
    running_.erase(marker);
    return std::erase(cancelled_, marker) > 0;
  }

  bool is_running(const std::string& marker) {
    const std::lock_guard lock(mutex_);
    return running_.contains(marker);
  }

  void cancel(uint64_t id, std::string_view operands) {
    ByteReader in(operands);
    std::string marker(in.bytes());
    {
      const std::lock_guard lock(mutex_);
      cancelled_.push_back(marker);
      while (cancelled_.size() > kCancelledMax) cancelled_.pop_front();
    }
    push(controls_, [this, id, marker = std::move(marker)] { kill_query(id, marker); });
  }

  void kill_query(uint64_t id, const std::string& marker) {
    EngineAnswer answer;
    for (int i = 0; i < kKillTries && is_running(marker); i++) {
      if (i > 0) std::this_thread::sleep_for(kKillPause);
      answer = library_.ask(control_, "KILL QUERY WHERE query LIKE '/* " + marker + " */%' ASYNC",
                            "Null");
    }
    reply_answer(id, answer, query_error_code);
  }

  void stats(uint64_t id) {
    uint64_t total = 0, resident = 0;
    std::ifstream("/proc/self/statm") >> total >> resident;
    EngineAnswer answer = library_.ask(
        control_,
        "SELECT version(), (SELECT sum(bytes_on_disk) FROM system.parts WHERE active), "
        "(SELECT count() FROM penstock_overrides), " +
            sql::lost_parts("1") + ", " + sql::unfinished_parts("1"),
        "TSV");
    answer.rows = resident * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
    reply_answer(id, answer, query_error_code);
  }

  EngineLibrary library_;
  std::string directory_;
  bool notes_last_ = false;  // the kernel writes the deduplication logs through
  DiskCare disk_;
  int fd_;
  std::vector<std::string> arguments_;
  EngineLibrary::Connection main_ = nullptr, control_ = nullptr, upkeep_ = nullptr;
  std::mutex mutex_, write_mutex_;
  Queue inserts_, queries_, controls_, upkeeps_;
  std::set<std::string> running_;
  std::deque<std::string> cancelled_;  // asked to stop, running or still waiting
  std::vector<std::thread> threads_;
};

std::string argument(int argc, char** argv, std::string_view name) {
  for (int i = 0; i + 1 < argc; i++) {
    if (argv[i] == name) return argv[i + 1];
  }
  return {};
}

std::vector<std::string> engine_arguments(const std::string& path, const std::string& memory) {
  // Caches and pools for a small machine; the engine's own sizes suit a server of its own.
  return {"clickhouse", "--path=" + path, "--max_server_memory_usage=" + memory,
          "--mark_cache_size=67108864", "--primary_index_cache_size=67108864",
          "--index_mark_cache_size=8388608", "--uncompressed_cache_size=8388608",
          // It remembers which rows a condition met, and persons change without the rows: both
          // queries and mutations went wrong with it.
          "--query_condition_cache_size=0", "--use_query_condition_cache=0",
          // A table that was dropped gives its disk back at once: nobody undrops one here.
          "--database_atomic_delay_before_drop_table_sec=1",
          "--compiled_expression_cache_size=16777216", "--background_pool_size=2",
          "--background_schedule_pool_size=2", "--background_schedule_pool_initial_size=2",
          "--max_thread_pool_size=64"};
}

/// From here on the library's own messages, stack traces among them, go to a file beside its data:
/// they are for whoever looks into the engine, not for the terminal Penstock runs in.
void speak_into(const std::string& path) {
  std::error_code error;
  const bool large = std::filesystem::file_size(path, error) > kEngineLogBytesMax && !error;
  const int fd =
      ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | (large ? O_TRUNC : 0), 0600);
  if (fd < 0) return;  // then they stay where they were
  std::fflush(stdout);
  std::fflush(stderr);
  ::dup2(fd, STDOUT_FILENO);
  ::dup2(fd, STDERR_FILENO);
  ::close(fd);
}

}  // namespace

int engine_child_main(int argc, char** argv) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::prctl(PR_SET_NAME, "penstock-engine");
  const std::string fd = argument(argc, argv, "--fd"), memory = argument(argc, argv, "--memory");
  std::string path = argument(argc, argv, "--path"), lib = argument(argc, argv, "--lib");
  if (path.empty() || lib.empty() || fd.empty()) return 2;
  // A terminal's Ctrl-C is for the parent, which drains and then ends this process.
  ::signal(SIGINT, SIG_IGN);
  ::signal(SIGTERM, SIG_IGN);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  std::error_code error;
  // The engine joins a relative path to itself in some places.
  path = std::filesystem::absolute(path, error).lexically_normal().string();
  lib = std::filesystem::absolute(lib, error).string();
  std::filesystem::create_directories(path, error);
  if (error || ::chdir(path.c_str()) != 0) {
    std::fprintf(stderr, "penstock: the engine cannot use %s\n", path.c_str());
    return 1;
  }
  const Cage cage = enter_cage(path, lib);
  if (!cage.files || !cage.network) {
    std::fprintf(stderr, "penstock: this kernel cannot cage the engine (files %d, network %d)\n",
                 cage.files ? 1 : 0, cage.network ? 1 : 0);
  }
  EngineLibrary library;
  if (!library.load(lib)) return 1;
  speak_into(path + "/engine.log");
  if (!DiskCare(library, path).may_open()) {
    std::fprintf(stderr, "penstock: the engine waits, the disk is full\n");
    return 1;
  }
  const auto mended = mend_table_files(path);
  if (!mended) {
    std::fprintf(stderr, "penstock: %s\n", mended.error().message.c_str());
    return 1;
  }
  if (*mended > 0) std::fprintf(stderr, "penstock: %zu of its files were mended\n", *mended);
  keep_table_files(path);
  const auto struck = strike_lost_blocks(path);
  if (!struck) {
    // Going on would lose the rows of a repeated insert.
    std::fprintf(stderr, "penstock: %s\n", struck.error().message.c_str());
    return 1;
  }
  if (*struck > 0) std::fprintf(stderr, "penstock: %zu blocks were noted, not stored\n", *struck);
  Child child(library, std::atoi(fd.c_str()), engine_arguments(path, memory), path);
  return child.run();
}

}  // namespace penstock::store
