// Journal: how far a move between engines is, in the data directory.
//
// One small file, replaced as a whole at every step, so that after a crash the same command goes on
// where it stopped. What was written to the target behind the last note is written again, which
// every target takes. Not thread safe; main's thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "runtime/runtime.h"

namespace penstock::cli::move {

struct PartNote {
  std::string name{};        // "persons", "catalog", "objects", "rows"
  std::string from{}, to{};  // engines, as the settings name them
  std::string target{};      // a hash of where it goes: another place is another move
  std::string source{};      // what the source was when copying began; differs: begin anew
  bool copied = false;       // all of it
  bool done = false;         // and compared
  std::string cursor{};      // any bytes
  std::string digest{};      // of what was copied so far
  uint64_t items = 0, bytes = 0;
};

class Journal {
 public:
  /// Empty where there is none. kCorrupt: it cannot be read.
  static Result<Journal> open(runtime::FileSystem& files, const std::string& path);

  bool exists() const { return exists_; }
  /// Null: this part is not in it. Valid until the next `add`.
  PartNote* find(const std::string& part);
  PartNote& add(PartNote note);
  const std::vector<PartNote>& parts() const { return parts_; }
  const std::string& id() const { return id_; }
  void set_id(std::string id) { id_ = std::move(id); }

  Status save();
  Status remove();

 private:
  runtime::FileSystem* files_ = nullptr;
  std::string path_, id_;
  bool exists_ = false;
  std::vector<PartNote> parts_;
};

}  // namespace penstock::cli::move
