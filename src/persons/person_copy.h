// PersonCopy: everything that a person store holds, read piece by piece, so that another store can
// be filled with it.
//
// A piece is records as the processed topic has them; PersonStore::apply takes them, in any order
// and any number of times, because versions decide. A store that nobody writes to meanwhile is read
// whole: deleted persons and ids, merges and reports too. Positions are apart, for when all is in.
//
// Threads: one at a time. Calls block. Failure: KeyValue's, or PostgreSQL's.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "kv/key_value.h"
#include "log/log.h"
#include "persons/postgres_store.h"

namespace penstock::persons {

/// Merges of a person that made room for newer ones.
struct ForgottenMerges {
  ProjectId project;
  Uuid person;
  int64_t count = 0;
};

struct PersonPiece {
  std::vector<std::string> records;  // each an encoded event::ProcessedRecord
  std::vector<ForgottenMerges> forgotten;
  std::string next;  // where to go on; empty: that was all
  uint64_t bytes = 0;
};

/// What a store holds, in numbers that do not depend on its order: of every kind how many, and the
/// sum of their hashes. Values that mean the same in PostgreSQL (a JSON value's members in another
/// order, a NUL and U+FFFD) count as the same.
struct PersonDigest {
  enum Kind : uint8_t {
    kPersons,
    kDeletedPersons,
    kDistinctIds,
    kDeletedIds,
    kGroups,
    kGroupTypes,
    kMerges,
    kReports,
    kForgotten,
    kKinds
  };
  struct Sum {
    uint64_t count = 0, hash = 0;
    bool operator==(const Sum&) const = default;
  };
  std::array<Sum, kKinds> sums{};

  /// kCorrupt: a record cannot be read.
  Status add(const PersonPiece& piece);
  uint64_t total() const;
  /// "12 persons, 30 distinct ids", of what there is.
  std::string text() const;
  /// What differs, as "persons: 12 and 11"; empty: nothing.
  std::string difference(const PersonDigest& other) const;
  /// Numbers with commas between them, to be kept and read again.
  std::string save() const;
  static Result<PersonDigest> load(std::string_view text);
  bool operator==(const PersonDigest&) const = default;
};

class PersonCopy {
 public:
  virtual ~PersonCopy() = default;
  /// kConflict: tables of a newer Penstock; kInvalid: a server that is too old.
  virtual Status check() = 0;
  virtual Result<bool> is_empty() = 0;
  /// About how many records there are, and how many bytes they take on its disk.
  struct Size {
    uint64_t records = 0, bytes = 0;
  };
  virtual Result<Size> size() = 0;
  /// What comes behind `after` (empty: from the beginning); about `bytes_max` bytes.
  virtual Result<PersonPiece> read(const std::string& after, size_t bytes_max) = 0;
  virtual Status write(const PersonPiece& piece) = 0;
  /// Of the processed topic: up to where changes are in.
  virtual Result<std::vector<log::Position>> positions() = 0;
  /// Makes all that was written durable, with these positions.
  virtual Status finish(const std::vector<log::Position>& positions) = 0;
};

/// Over a database that nobody else has open; it is shared by the store that writes and by reading.
std::unique_ptr<PersonCopy> make_kv_person_copy(std::shared_ptr<kv::KeyValue> kv);
/// `options.source` names the log that positions are of.
std::unique_ptr<PersonCopy> make_postgres_person_copy(PostgresOptions options);

}  // namespace penstock::persons
