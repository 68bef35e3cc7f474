// A directory on which nothing runs: what became of the last life, and what would keep the next
// from starting.
#include <fmt/format.h>

#include <filesystem>
#include <memory>

#include "main/doctor/doctor.h"
#include "main/fsck/fsck.h"
#include "main/settings.h"
#include "runtime/lock_file.h"
#include "runtime/net.h"
#include "runtime/real_runtime.h"

namespace penstock::cli::doctor {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kMiB = 1 << 20;
constexpr uint64_t kStartBytes = 64 * kMiB;
/// A doctor is asked in a hurry; beyond it `penstock fsck` reads the log.
constexpr uint64_t kLogReadMax = 2048 * kMiB;

uint64_t bytes_below(const std::string& folder) {
  uint64_t bytes = 0;
  std::error_code error;
  for (const auto& f : fs::recursive_directory_iterator(folder, error)) {
    if (f.is_regular_file(error)) bytes += f.file_size(error);
  }
  return bytes;
}

class Examination {
 public:
  Examination(std::string data, Findings& out) : data_(std::move(data)), out_(out) {}

  void run() {
    std::error_code error;
    if (!fs::is_directory(data_, error)) {
      return out_.bad(
          "no_directory", "There is no data directory " + data_ + ": nothing ran here yet.",
          "Start with: penstock up --data " + data_ + ", or name the right one with --data.");
    }
    last_life();
    Settings settings;
    config::OptionTable table;
    if (const Status good = read_settings(table, settings, data_); !good) {
      out_.bad("bad_configuration", "The configuration cannot be used: " + good.error().message,
               "Mend it; penstock check-config looks at it alone.");
      return;
    }
    out_.good("configuration", "The configuration is good");
    room();
    address("capture", settings.capture_listen);
    address("admin", settings.admin_listen);
    engine(settings);
    log();
  }

 private:
  void last_life() {
    std::error_code error;
    if (fs::exists(data_ + "/run/instance.json", error)) {
      return out_.bad(
          "died",
          "Penstock does not run: it died without being asked to (killed, out of memory, or a "
          "crash). What was acknowledged is in the log.",
          "Start it again with: penstock up --data " + data_ +
              "; the system's log may say what killed it.");
    }
    auto lock = runtime::LockFile::take(data_ + "/lock");
    if (!lock && lock.error().code == Code::kConflict) {
      return out_.bad("starting",
                      "A process has the directory and is not ready: " + lock.error().message,
                      "Wait for it, and read what it prints.");
    }
    out_.bad("stopped",
             "Penstock does not run on " + data_ + "; SDKs keep their events and repeat them.",
             "Start it with: penstock up --data " + data_);
  }

  void room() {
    const auto asked = runtime_->files().free_bytes(data_);
    if (!asked) return;
    const uint64_t free = *asked;
    if (free >= kStartBytes) {
      out_.good("disk", fmt::format("The disk has room ({} MiB)", free / kMiB));
    } else if (!fs::exists(data_ + "/reserve")) {
      out_.bad("disk_full",
               fmt::format("The disk is full: {} MiB are free, a start needs 64.", free / kMiB),
               "Make room.", "disk_full.md");
    }
  }

  void address(const char* option, const std::string& text) {
    const auto wanted = runtime::Address::parse(text);
    if (!wanted || wanted->port == 0) return;
    const auto bound = runtime::Listener::bind(*wanted, 1, false);
    if (!bound) {
      out_.bad(
          "address_in_use",
          fmt::format("{} cannot be listened on ({}.listen): {}", text, option,
                      bound.error().message),
          fmt::format("End the other program, or choose another address with {}.listen.", option));
    }
  }

  void engine(const Settings& settings) {
    if (settings.store_engine != "embedded") return;
    std::error_code error;
    std::string library = settings.store.library;
    if (library.empty()) {
      library = fs::read_symlink("/proc/self/exe", error).parent_path() / "libchdb.so";
    }
    if (!fs::exists(library, error)) {
      out_.bad("no_engine", "The store's library is not at " + library + ": nothing becomes a row.",
               "Put libchdb.so beside the binary, or name it with store.library.",
               "engine_restarts.md");
    }
  }

  void log() {
    const std::string folder = data_ + "/log";
    std::error_code error;
    if (!fs::is_directory(folder, error)) return;
    if (bytes_below(folder) > kLogReadMax) {
      out_.note("log_not_read", "The log is large and was not read.",
                "penstock fsck reads all of it.");
      return;
    }
    fsck::check_log(data_, "log_damaged", [](const std::string&) {}, out_);
  }

  std::string data_;
  Findings& out_;
  std::unique_ptr<runtime::Runtime> runtime_ = runtime::make_real_runtime({1, 16});
};

}  // namespace

void examine_stopped(const std::string& data_dir, Findings& out) {
  Examination(data_dir, out).run();
}

}  // namespace penstock::cli::doctor
