// Part: something that can be moved from one engine to another: persons, the catalog, objects,
// rows, the log.
//
// Nothing else uses either side while it is moved. `check` comes for all parts before
// anything is copied; `copy` goes on from the note and may be repeated; `compare` reads the target
// again. main's thread; calls block.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "main/move/journal.h"
#include "main/move/progress.h"
#include "main/settings.h"
#include "runtime/runtime.h"

namespace penstock::cli::move {

struct Moving {
  const Settings& settings;
  runtime::Runtime& runtime;
  std::string data_dir;
  bool out = true;    // of the data directory; else back into it
  bool held = false;  // by a Penstock that runs and copies its log itself
  size_t piece_bytes = 4U << 20;
  Journal& journal;
  Progress& progress;
  /// Whether all that was loaded is in the store that rows come from: load/settled.h.
  std::function<Status()> settled;
};

class Part {
 public:
  virtual ~Part() = default;
  /// As in the journal and in messages.
  virtual std::string name() const = 0;
  /// The engine's names in the settings.
  virtual std::string from() const = 0;
  virtual std::string to() const = 0;
  /// The option that decides it, "persons.engine".
  virtual std::string option() const = 0;
  /// What tells this target from another; no secrets.
  virtual std::string target() const = 0;
  /// Opens both sides and asks whether they will do. kConflict: the target is not empty, unless
  /// `ours` says that an earlier run of this move filled it.
  virtual Status check(bool ours) = 0;
  /// What the source is now: another answer at the next run means that it was changed meanwhile.
  virtual Result<std::string> source_state() = 0;
  /// Bytes that the target will about take; 0: not known.
  virtual Result<uint64_t> bytes_needed() = 0;
  /// Copies what is behind the note's cursor and keeps the note.
  virtual Status copy(PartNote& note) = 0;
  /// kCorrupt: the target is not what was copied. Otherwise a sentence of what was compared.
  virtual Result<std::string> compare(PartNote& note) = 0;
  /// What makes the target usable, once it was compared.
  virtual Status finish() = 0;
};

std::unique_ptr<Part> make_persons_part(Moving& moving);
std::unique_ptr<Part> make_catalog_part(Moving& moving);
std::unique_ptr<Part> make_rows_part(Moving& moving);
std::unique_ptr<Part> make_objects_part(Moving& moving);
std::unique_ptr<Part> make_log_part(Moving& moving);

}  // namespace penstock::cli::move
