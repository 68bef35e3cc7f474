#include "main/move/move.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <memory>

#include "main/log_engine.h"
#include "main/move/books.h"
#include "main/move/hold.h"
#include "main/move/part.h"
#include "main/store_engine.h"
#include "main/topics.h"
#include "runtime/lock_file.h"
#include "runtime/real_runtime.h"

namespace penstock::cli::move {
namespace {

std::string journal_path(const std::string& data_dir) { return data_dir + "/state/move.journal"; }

std::unique_ptr<Part> make_part(const std::string& name, Moving& moving) {
  if (name == "persons") return make_persons_part(moving);
  if (name == "catalog") return make_catalog_part(moving);
  if (name == "rows") return make_rows_part(moving);
  if (name == "objects") return make_objects_part(moving);
  if (name == "log") return make_log_part(moving);
  return nullptr;
}

const std::string& engine_of(const Settings& s, std::string_view option) {
  if (option == "persons.engine") return s.persons_engine;
  if (option == "log.engine") return s.log_engine;
  if (option == "catalog.engine") return s.catalog_engine;
  return option == "store.engine" ? s.store_engine : s.objects_engine;
}

/// Asks the log how far the loader came; nobody else has it open.
Status settled(const Settings& settings, runtime::Runtime& runtime, const std::string& data_dir) {
  runtime::LoopThread thread("move-log");
  thread.start();
  auto log = open_log(settings, runtime, thread.loop(), data_dir, nullptr, true);
  Status outcome = log->start(topics_of(settings));
  if (outcome) outcome = rows_settled(settings, runtime, *log, thread, data_dir);
  log->stop();
  log.reset();
  thread.stop();
  thread.join();
  return outcome;
}

class Mover {
 public:
  Mover(const Settings& settings, const MoveOptions& options, runtime::Runtime& runtime,
        Journal& journal, bool held)
      : options_(options),
        held_(held),
        journal_(journal),
        progress_(options.json, options.bytes_per_second),
        moving_{settings,
                runtime,
                options.data_dir,
                options.out,
                held,
                options.piece_bytes,
                journal_,
                progress_,
                [this] {
                  return held_ ? settled_of(moving_.data_dir)
                               : settled(moving_.settings, moving_.runtime, moving_.data_dir);
                }} {}

  Result<ConfigChanges> make_parts() {
    ConfigChanges changes;
    for (const std::string& name : options_.parts) {
      auto part = make_part(name, moving_);
      if (!part) return fail(Code::kInvalid, "there is no part '" + name + "' to move");
      changes.emplace_back(part->option(), part->to());
      parts_.push_back(std::move(part));
    }
    PENSTOCK_CHECK(same_move());
    for (const auto& part : parts_) {
      if (part->from() == engine_of(moving_.settings, part->option())) continue;
      if (const PartNote* note = journal_.find(part->name()); note != nullptr && note->done)
        continue;
      return fail(Code::kConflict, fmt::format("{} is {} already", part->option(), part->to()));
    }
    return changes;
  }

  Status run() {
    for (const auto& part : parts_) PENSTOCK_CHECK(check(*part));
    PENSTOCK_CHECK(room());
    if (options_.check_only) {
      progress_.note("Everything is there for this move.");
      return {};
    }
    PENSTOCK_CHECK(begin());
    for (const auto& part : parts_) {
      if (Status s = move(*part); !s) return fail(s.error(), part->name());
    }
    return {};
  }

  /// An earlier run did it all but for clearing away after itself.
  bool is_done() {
    return std::ranges::all_of(parts_, [this](const auto& part) {
      const PartNote* note = journal_.find(part->name());
      return note != nullptr && note->done &&
             part->to() == engine_of(moving_.settings, part->option());
    });
  }

  /// A Penstock that runs moves its log itself.
  LogOrder log_order() const {
    const auto it =
        std::ranges::find_if(parts_, [](const auto& part) { return part->name() == "log"; });
    return {it == parts_.end() ? std::string() : (*it)->to(), options_.piece_bytes,
            options_.bytes_per_second};
  }

  /// The log was copied and did not get to its end.
  Status undo_log() {
    PartNote* note = journal_.find("log");
    if (note == nullptr) return {};
    note->copied = note->done = false;
    return journal_.save();
  }

  /// Both sides are closed before anybody else opens one.
  void close() { parts_.clear(); }
  Progress& progress() { return progress_; }

 private:
  /// An unfinished move is gone on with, or given up by name; never mixed with another.
  Status same_move() {
    for (const PartNote& note : journal_.parts()) {
      const auto it =
          std::ranges::find_if(parts_, [&](const auto& p) { return p->name() == note.name; });
      if (it != parts_.end() && (*it)->from() == note.from && (*it)->target() == note.target) {
        continue;
      }
      return fail(Code::kConflict,
                  fmt::format("a move of {} from {} to {} was begun and is not finished: run it "
                              "again with the same settings, or give it up with penstock move "
                              "--forget",
                              note.name, note.from, note.to));
    }
    return {};
  }

  Status check(Part& part) {
    const PartNote* note = journal_.find(part.name());
    if (note != nullptr && note->done) return {};
    if (Status s = part.check(note != nullptr); !s) return fail(s.error(), part.name());
    return {};
  }

  /// What comes into the data directory has to fit.
  Status room() {
    uint64_t needed = 0;
    for (const auto& part : parts_) {
      const PartNote* note = journal_.find(part->name());
      if (note != nullptr && note->done) continue;
      PENSTOCK_TRY(const uint64_t bytes, part->bytes_needed());
      needed += bytes - std::min(bytes, note == nullptr ? 0 : note->bytes);
    }
    if (options_.out) return {};
    const auto free = moving_.runtime.files().free_bytes(options_.data_dir);
    const uint64_t wanted = needed + needed / 10 + moving_.settings.log.free_reserve_bytes;
    if (!free || *free >= wanted) return {};
    constexpr uint64_t kMiB = 1U << 20;
    return fail(Code::kExhausted,
                fmt::format("{} has {} MiB left, and this needs about {} MiB with the reserve of "
                            "log.free_reserve_bytes",
                            options_.data_dir, *free / kMiB, wanted / kMiB));
  }

  Status begin() {
    if (journal_.id().empty()) {
      std::array<uint8_t, 10> random{};
      moving_.runtime.random().fill(random);
      journal_.set_id(Uuid::v7(moving_.runtime.clock().wall_ms(), random).text());
    } else {
      progress_.note("Going on with the move that was begun.");
    }
    for (const auto& part : parts_) {
      if (journal_.find(part->name()) != nullptr) continue;
      journal_.add(
          {.name = part->name(), .from = part->from(), .to = part->to(), .target = part->target()});
    }
    return journal_.save();
  }

  Status move(Part& part) {
    PartNote& note = *journal_.find(part.name());
    if (note.done) return {};
    PENSTOCK_TRY(const std::string state, part.source_state());
    if (note.source != state) {
      if (note.copied || !note.cursor.empty()) {
        progress_.note(part.name() + ": changed since the last run; copied anew");
      }
      note.source = state;
      note.copied = false;
      note.cursor.clear();
    }
    if (!note.copied) PENSTOCK_CHECK(part.copy(note));
    PENSTOCK_CHECK(journal_.save());
    PENSTOCK_TRY(const std::string said, part.compare(note));
    PENSTOCK_CHECK(part.finish());
    note.done = true;
    PENSTOCK_CHECK(journal_.save());
    progress_.end(fmt::format("{} → {}: {}, copied and compared", part.from(), part.to(), said));
    return {};
  }

  const MoveOptions& options_;
  const bool held_;
  Journal& journal_;
  Progress progress_;
  Moving moving_;
  std::vector<std::unique_ptr<Part>> parts_;
};

}  // namespace

namespace {

Status tell_switch(Mover& mover, int64_t held_ms, const Switch& back, const std::string& data_dir,
                   const Result<Books>& before) {
  mover.progress().note(fmt::format(
      "Penstock runs again, on what was moved to; the switch took {} ms. Requests were refused for "
      "{} ms when it was held and {} ms when it switched.",
      back.took_ms, held_ms, back.refused_ms));
  if (!before) return {};  // of one that was held already, or has no admin API
  PENSTOCK_TRY(const std::string said, books_agree(data_dir, *before));
  mover.progress().note("The ledger agrees: " + said);
  return {};
}

/// A Penstock that runs takes events meanwhile, and is let go whatever comes of it. Answers the
/// longest time, in milliseconds, that it took none.
Result<int64_t> run_online(Mover& mover, Journal& journal, runtime::FileSystem& files,
                           const std::string& data_dir, const ConfigChanges& changes) {
  const LogOrder log = mover.log_order();
  const auto books = books_of(data_dir);
  PENSTOCK_TRY(const int64_t held_ms, hold(data_dir, changes, log));
  mover.progress().note("Penstock is held: it takes events, which wait in the log.");
  Status moved = mover.run();
  mover.close();
  // In this order a kill in between leaves something that can be gone on with.
  Result<Switch> back = Switch{};
  const auto told = [&]() -> Result<int64_t> {
    PENSTOCK_CHECK(tell_switch(mover, held_ms, *back, data_dir, books));
    return std::max(held_ms, back->refused_ms);
  };
  if (moved && !log.to.empty()) {
    back = finish_log(data_dir, changes);
    moved = back ? journal.remove() : Status(std::unexpected(back.error()));
    if (!back) PENSTOCK_CHECK(mover.undo_log());
    if (moved) return told();
  } else {
    if (moved) moved = write_config(files, data_dir + "/penstock.toml", changes);
    if (moved) moved = journal.remove();
  }
  back = let_go(data_dir);
  if (!moved) return std::unexpected(std::move(moved).error());
  if (!back) return std::unexpected(back.error());
  return told();
}

}  // namespace

Result<Moved> run(const Settings& settings, const MoveOptions& options) {
  const std::string& data_dir = options.data_dir;
  if (!std::filesystem::is_directory(data_dir + "/state")) {
    return fail(Code::kNotFound, "there is no data directory " + data_dir);
  }
  const auto alone = runtime::LockFile::take(data_dir + "/state/move.lock");
  if (!alone) return fail(Code::kConflict, "another penstock move is at work on " + data_dir);
  auto lock = runtime::LockFile::take(data_dir + "/lock");
  if (!lock && options.check_only) {
    return fail(Code::kConflict, "Penstock runs on " + data_dir +
                                     "; --check needs it stopped (--online without --check looks "
                                     "at everything before it copies anything)");
  }
  if (!lock && !options.online) {
    return fail(Code::kConflict, "Penstock runs on " + data_dir +
                                     "; stop it first, or let it be held for the move by --online");
  }
  const auto runtime = runtime::make_real_runtime();
  PENSTOCK_TRY(Journal journal, Journal::open(runtime->files(), journal_path(data_dir)));
  Mover mover(settings, options, *runtime, journal, !lock);
  PENSTOCK_TRY(const ConfigChanges changes, mover.make_parts());
  if (mover.is_done()) {
    PENSTOCK_CHECK(journal.remove());
    PENSTOCK_TRY(const Switch waited, let_go(data_dir));
    (void)waited;
    return Moved{changes, 0};
  }
  if (!lock) {
    PENSTOCK_TRY(const int64_t refused_ms,
                 run_online(mover, journal, runtime->files(), data_dir, changes));
    return Moved{changes, refused_ms};
  }
  PENSTOCK_CHECK(mover.run());
  if (options.check_only) return Moved{};
  if (options.write_config) {
    PENSTOCK_CHECK(write_config(runtime->files(), data_dir + "/penstock.toml", changes));
  }
  PENSTOCK_CHECK(journal.remove());
  PENSTOCK_TRY(const Switch waited, let_go(data_dir));  // of one that was held and died
  (void)waited;
  return Moved{changes, 0};
}

Result<bool> forget(const std::string& data_dir) {
  const auto runtime = runtime::make_real_runtime({1, 16});
  const std::string path = journal_path(data_dir);
  const bool there = runtime->files().exists(path) || is_held(data_dir);
  if (runtime->files().exists(path)) PENSTOCK_CHECK(runtime->files().remove(path));
  PENSTOCK_TRY(const Switch waited, let_go(data_dir));
  (void)waited;
  return there;
}

}  // namespace penstock::cli::move
