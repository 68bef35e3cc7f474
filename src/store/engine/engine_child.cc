// The engine child: loads the library, runs what the frames ask for, answers, dies with its parent.
//
// One thread reads frames; one runs inserts and set-up; a few run queries, each on a connection of
// its own whose limits are set before the statement and cannot be changed by it (readonly). Compiled
// without sanitizers, which the library does not survive.
#include <dlfcn.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <filesystem>
#include <fstream>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/codec.h"
#include "base/result.h"
#include "store/engine/protocol.h"
#include "store/engine_store.h"

namespace penstock::store {
namespace {

constexpr size_t kQueryThreads = 3;

struct Library {
  void** (*connect)(int, char**);
  void (*close)(void**);
  void* (*query)(void*, const char*, size_t, const char*, size_t);
  void (*destroy)(void*);
  char* (*buffer)(void*);
  size_t (*length)(void*);
  const char* (*error)(void*);
  uint64_t (*rows_read)(void*);
  uint64_t (*bytes_read)(void*);
  void (*signals)(bool);
};

template <typename F>
bool find(void* handle, const char* name, F& out) {
  out = reinterpret_cast<F>(::dlsym(handle, name));
  return out != nullptr;
}

bool load(const std::string& path, Library& l) {
  void* h = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (h == nullptr) {
    std::fprintf(stderr, "penstock: cannot load the engine: %s\n", ::dlerror());
    return false;
  }
  return find(h, "chdb_connect", l.connect) && find(h, "chdb_close_conn", l.close) &&
         find(h, "chdb_query_n", l.query) && find(h, "chdb_destroy_query_result", l.destroy) &&
         find(h, "chdb_result_buffer", l.buffer) && find(h, "chdb_result_length", l.length) &&
         find(h, "chdb_result_error", l.error) && find(h, "chdb_result_rows_read", l.rows_read) &&
         find(h, "chdb_result_bytes_read", l.bytes_read) &&
         find(h, "chdb_set_signal_handlers_enabled", l.signals);
}

Code code_of(std::string_view message) {
  const auto has = [message](std::string_view s) { return message.find(s) != std::string_view::npos; };
  if (has("(TIMEOUT_EXCEEDED)")) return Code::kTimeout;
  if (has("(QUERY_WAS_CANCELLED)")) return Code::kCancelled;
  if (has("(MEMORY_LIMIT_EXCEEDED)") || has("(TOO_MANY_ROWS_OR_BYTES)")) return Code::kExhausted;
  if (has("(READONLY)") || has("(ACCESS_DENIED)")) return Code::kDenied;
  if (has("(NOT_ENOUGH_SPACE)") || has("No space left")) return Code::kExhausted;
  return Code::kInvalid;
}

struct Answer {
  std::string error;
  std::string body;
  uint64_t rows = 0, bytes = 0;
  int64_t elapsed_us = 0;
};

class Child {
 public:
  Child(Library library, int fd, std::vector<std::string> arguments)
      : l_(library), fd_(fd), arguments_(std::move(arguments)) {}

  int run() {
    main_ = open();
    killer_ = open();
    if (main_ == nullptr || killer_ == nullptr) {
      std::fprintf(stderr, "penstock: the engine could not open its directory\n");
      return 1;
    }
    threads_.emplace_back([this] { work(inserts_); });
    for (size_t i = 0; i < kQueryThreads; i++) threads_.emplace_back([this] { work(queries_); });
    std::string frame;
    while (read_frame(frame)) dispatch(std::move(frame));
    // The parent has gone or says goodbye: what is running ends with the process.
    std::fflush(nullptr);
    ::_exit(0);
  }

 private:
  struct Queue {
    std::deque<std::function<void()>> jobs;
    std::condition_variable ready;
  };

  void** open() {
    std::vector<char*> argv;
    for (std::string& a : arguments_) argv.push_back(a.data());
    return l_.connect(static_cast<int>(argv.size()), argv.data());
  }

  Answer ask(void** connection, std::string_view sql, std::string_view format) {
    const auto begin = std::chrono::steady_clock::now();
    void* result = l_.query(*connection, sql.data(), sql.size(), format.data(), format.size());
    Answer out;
    if (const char* error = l_.error(result); error != nullptr && *error != '\0') out.error = error;
    if (const size_t n = l_.length(result); n > 0) out.body.assign(l_.buffer(result), n);
    out.rows = l_.rows_read(result);
    out.bytes = l_.bytes_read(result);
    l_.destroy(result);
    out.elapsed_us = std::chrono::duration_cast<std::chrono::microseconds>(
                         std::chrono::steady_clock::now() - begin).count();
    return out;
  }

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
    if (!read_exact(reinterpret_cast<char*>(&size), sizeof size) || size > kFrameBytesMax) return false;
    frame.resize(size);
    return read_exact(frame.data(), size);
  }

  void reply(uint64_t id, const std::string& body) {
    std::string frame;
    ByteWriter w(frame);
    w.u32(static_cast<uint32_t>(body.size() + 8));
    w.u64(id);
    frame += body;
    const std::lock_guard lock(write_mutex_);
    std::string_view left = frame;
    while (!left.empty()) {
      const ssize_t n = ::send(fd_, left.data(), left.size(), MSG_NOSIGNAL);
      if (n <= 0) return;
      left.remove_prefix(static_cast<size_t>(n));
    }
  }

  void reply_error(uint64_t id, Code code, std::string_view message) {
    std::string body;
    ByteWriter w(body);
    w.u8(0);
    w.u8(static_cast<uint8_t>(code));
    w.bytes(message);
    reply(id, body);
  }

  void reply_answer(uint64_t id, const Answer& a) {
    if (!a.error.empty()) return reply_error(id, code_of(a.error), a.error);
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

  void dispatch(std::string frame) {
    ByteReader in(frame);
    const uint64_t id = in.u64();
    const auto op = static_cast<EngineOp>(in.u8());
    std::string rest(in.rest());
    switch (op) {
      case EngineOp::kInsert: return push(inserts_, [this, id, rest] { insert(id, rest); });
      case EngineOp::kRun: return push(inserts_, [this, id, rest] { run_sql(id, rest); });
      case EngineOp::kQuery: return push(queries_, [this, id, rest] { query(id, rest); });
      case EngineOp::kStats: return push(queries_, [this, id] { stats(id); });
      case EngineOp::kCancel: return cancel(id, rest);
    }
    reply_error(id, Code::kBug, "an unknown request");
  }

  void insert(uint64_t id, const std::string& operands) {
    ByteReader in(operands);
    Answer last;
    for (uint64_t n = in.varint(); n > 0 && in.ok() && last.error.empty(); n--) {
      std::string statement(in.bytes());
      statement += '\n';
      statement += in.bytes();
      last = ask(main_, statement, "Null");
    }
    if (!in.ok()) return reply_error(id, Code::kBug, "a malformed insert");
    reply_answer(id, last);
  }

  void run_sql(uint64_t id, const std::string& operands) {
    ByteReader in(operands);
    const std::string_view sql = in.bytes(), format = in.bytes();
    reply_answer(id, ask(main_, sql, format));
  }

  void query(uint64_t id, const std::string& operands) {
    ByteReader in(operands);
    const std::string_view marker = in.bytes(), setup = in.bytes(), sql = in.bytes(),
                           format = in.bytes();
    {
      const std::lock_guard lock(mutex_);
      if (std::erase(cancelled_, std::string(marker)) > 0) {
        return reply_error(id, Code::kCancelled, "the query was cancelled");
      }
    }
    void** connection = open();
    if (connection == nullptr) return reply_error(id, Code::kUnavailable, "no connection");
    Answer answer = ask(connection, setup, "Null");
    if (answer.error.empty()) {
      answer = ask(connection, "/* " + std::string(marker) + " */ " + std::string(sql), format);
    }
    l_.close(connection);
    reply_answer(id, answer);
  }

  void cancel(uint64_t id, const std::string& operands) {
    ByteReader in(operands);
    const std::string marker(in.bytes());
    {
      const std::lock_guard lock(mutex_);
      cancelled_.push_back(marker);  // for a query that waits for a thread
      while (cancelled_.size() > 256) cancelled_.pop_front();
    }
    reply_answer(id, ask(killer_, "KILL QUERY WHERE query LIKE '/* " + marker + " */%' ASYNC", "Null"));
  }

  void stats(uint64_t id) {
    uint64_t total = 0, resident = 0;
    std::ifstream("/proc/self/statm") >> total >> resident;
    void** connection = open();
    Answer answer = ask(connection,
                        "SELECT version(), (SELECT sum(bytes_on_disk) FROM system.parts WHERE active)",
                        "TSV");
    l_.close(connection);
    answer.rows = resident * 4096;
    reply_answer(id, answer);
  }

  Library l_;
  int fd_;
  std::vector<std::string> arguments_;
  void** main_ = nullptr;
  void** killer_ = nullptr;
  std::mutex mutex_, write_mutex_;
  Queue inserts_, queries_;
  std::deque<std::string> cancelled_;
  std::vector<std::thread> threads_;
};

std::string argument(int argc, char** argv, std::string_view name) {
  for (int i = 0; i + 1 < argc; i++) {
    if (argv[i] == name) return argv[i + 1];
  }
  return {};
}

}  // namespace

int engine_child_main(int argc, char** argv) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::prctl(PR_SET_NAME, "penstock-engine");
  const std::string path = argument(argc, argv, "--path"), lib = argument(argc, argv, "--lib"),
                    fd = argument(argc, argv, "--fd"), memory = argument(argc, argv, "--memory");
  if (path.empty() || lib.empty() || fd.empty()) return 2;
  // A terminal's Ctrl-C is for the parent, which drains and then ends this process.
  ::signal(SIGINT, SIG_IGN);
  ::signal(SIGTERM, SIG_IGN);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  Library library{};
  if (!load(lib, library)) return 1;
  library.signals(false);
  std::error_code error;
  std::filesystem::create_directories(path, error);
  Child child(library, std::atoi(fd.c_str()),
              {"clickhouse", "--path=" + path, "--max_server_memory_usage=" + memory,
               "--mark_cache_size=67108864", "--uncompressed_cache_size=8388608",
               "--background_pool_size=2", "--background_schedule_pool_size=2",
               "--max_thread_pool_size=64"});
  return child.run();
}

}  // namespace penstock::store
