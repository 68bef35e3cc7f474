#include "main/fsck/fsck.h"

#include <fmt/format.h>

#include <chrono>
#include <filesystem>
#include <future>
#include <sstream>
#include <thread>

#include "main/object_engine.h"
#include "main/on_loop.h"
#include "main/stages.h"
#include "main/store_engine.h"
#include "recording/block.h"
#include "runtime/lock_file.h"
#include "runtime/real_runtime.h"

namespace penstock::cli::fsck {
namespace {

constexpr auto kEngineWait = std::chrono::seconds(60);
constexpr auto kLook = std::chrono::milliseconds(50);
constexpr uint64_t kBlocksMax = 10'000'000;
constexpr uint64_t kNamedMax = 5;

/// Every block of a recording that a row names can be read.
void check_blocks(const std::string& data, const Settings& settings, runtime::Runtime& runtime,
                  runtime::LoopThread& thread, store::EventStore& engine, Findings& out) {
  store::Query query;
  query.id = "fsck";
  query.sql = "SELECT DISTINCT block_url FROM session_replay_blocks";
  query.format = store::QueryFormat::kCsvWithNames;
  query.limits.result_rows_max = kBlocksMax;
  query.limits.result_bytes_max = 1U << 30;
  std::promise<Result<store::QueryResult>> promise;
  thread.loop().post([&] {
    engine.query(std::move(query), [&](auto answer) { promise.set_value(std::move(answer)); });
  });
  const auto answer = promise.get_future().get();
  if (!answer) {
    return out.bad("recordings", "Recordings were not read: " + answer.error().message,
                   "See the store above.");
  }
  const auto opened = open_objects(settings, runtime, data);
  if (!opened) return out.bad("recordings", opened.error().message, "See the settings objects.….");
  const auto& objects = *opened;
  std::istringstream lines(answer->body);
  uint64_t count = 0, problems = 0;
  for (std::string line; std::getline(lines, line);) {
    std::erase_if(line, [](char c) { return c == '"' || c == '\r'; });
    const auto place = recording::parse_block_url(line);
    if (!place) continue;  // the header, or a block that was deleted
    const auto bytes =
        objects->get(place->key, {place->from, place->size}, std::chrono::minutes(1));
    Status read = bytes ? Status() : Status(std::unexpected(bytes.error()));
    if (bytes) {
      if (const auto block = recording::read_block(*bytes); !block) {
        read = std::unexpected(block.error());
      }
    }
    count++;
    if (!read && ++problems <= kNamedMax) {
      out.bad("objects", place->key + ": " + read.error().message, "Restore it from a backup.",
              "backup.md");
    }
  }
  if (problems == 0)
    out.good("recordings", fmt::format("{} blocks of recordings are whole", count));
}

}  // namespace

void check_store(const std::string& data_dir, const Settings& settings, const Progress& progress,
                 Findings& out) {
  progress("store: starting the engine");
  const auto runtime = runtime::make_real_runtime();
  runtime::LoopThread thread("fsck-store");
  thread.start();
  const bool server = settings.store_engine == "clickhouse";
  const char* runbook = server ? "store_server_down.md" : "engine_restarts.md";
  auto made = make_store(settings, *runtime, thread, data_dir);
  if (!made) return out.bad("store", made.error().message, "See the runbook.", runbook);
  std::unique_ptr<store::EventStore> engine = std::move(*made);
  Status started;
  on_loop(thread, [&] { started = engine->start(); });
  store::StoreHealth health;
  const auto deadline = std::chrono::steady_clock::now() + kEngineWait;
  // The first figures come a moment after it is ready.
  while (started && std::chrono::steady_clock::now() < deadline) {
    health = engine->health();
    if (health.ready && !health.version.empty()) break;
    std::this_thread::sleep_for(kLook);
  }
  if (health.ready) check_blocks(data_dir, settings, *runtime, thread, *engine, out);
  engine->stop();
  on_loop(thread, [&] { engine.reset(); });
  thread.stop();
  thread.join();
  if (!started || !health.ready) {
    return out.bad("store", "The engine does not start: " + health.detail,
                   server ? "Mend what the message names." : "Read store/engine.log.", runbook);
  }
  if (health.damaged_parts > 0) {
    return out.bad("store",
                   fmt::format("The engine could not read {} of its parts and set them aside",
                               health.damaged_parts),
                   "See the runbook.", "store_damaged.md");
  }
  if (health.unfinished_parts > 0) {
    out.note("store_unfinished",
             fmt::format("The engine set {} parts aside that a merge had not finished; nothing is "
                         "missing, all their rows are in other parts",
                         health.unfinished_parts),
             "Nothing to do; store/store/*/*/detached/broken* may be removed.", "store_damaged.md");
  }
  out.good("store",
           fmt::format("The store opens and has every part ({} bytes)", health.disk_bytes));
}

Findings check(const std::string& data_dir, const Settings& settings, const Progress& progress) {
  Findings out;
  std::error_code error;
  if (!std::filesystem::is_directory(data_dir, error)) {
    out.bad("directory", "There is no data directory " + data_dir, "Name it with --data.");
    return out;
  }
  const auto lock = runtime::LockFile::take(data_dir + "/lock");
  if (!lock) {
    out.bad("in_use", lock.error().message, "Stop Penstock first, or copy the directory.");
    return out;
  }
  check_files(data_dir, settings, progress, out);
  // What follows opens the log and the state as a start does; damaged ones would only say it again.
  if (out.bad_count() == 0) recount(data_dir, settings, progress, out);
  if (has_rows(settings)) {
    check_store(data_dir, settings, progress, out);
  } else {
    out.note("rows_elsewhere", "Rows lie with the process that runs load.",
             "Look at its directory.");
  }
  return out;
}

}  // namespace penstock::cli::fsck
