// Persons: RocksDB in the data directory, PostgreSQL.
#include <fmt/format.h>

#include <filesystem>

#include "base/hash.h"
#include "kv/key_value.h"
#include "main/move/part.h"
#include "main/person_engine.h"
#include "persons/person_copy.h"

namespace penstock::cli::move {
namespace {

class PersonsPart final : public Part {
 public:
  explicit PersonsPart(Moving& moving)
      : moving_(moving), folder_(moving.data_dir + "/state/persons") {}

  std::string name() const override { return "persons"; }
  std::string from() const override { return moving_.out ? "embedded" : "postgres"; }
  std::string to() const override { return moving_.out ? "postgres" : "embedded"; }
  std::string option() const override { return "persons.engine"; }
  std::string target() const override {
    return moving_.out ? fmt::format("{:016x}", hash64(moving_.settings.persons.url)) : folder_;
  }

  Status check(bool ours) override {
    persons::PostgresOptions options = moving_.settings.persons;
    if (options.url.empty()) {
      return fail(Code::kInvalid, "persons.postgres_url is not set: name the database there");
    }
    PENSTOCK_TRY(options.source,
                 person_source(moving_.settings, moving_.runtime, moving_.data_dir));
    if (moving_.out && !std::filesystem::exists(folder_)) {
      return fail(Code::kNotFound, "there are no persons in " + folder_);
    }
    auto server = persons::make_postgres_person_copy(std::move(options));
    if (Status s = server->check(); !s) return fail(s.error(), "persons.postgres_url");
    PENSTOCK_TRY(auto kv, kv::open_rocks_kv({.path = folder_, .large_values = true}));
    auto embedded = persons::make_kv_person_copy(std::move(kv));
    source_ = std::move(moving_.out ? embedded : server);
    target_ = std::move(moving_.out ? server : embedded);
    if (ours) return {};
    PENSTOCK_TRY(const bool empty, target_->is_empty());
    if (empty) return {};
    if (!moving_.out) {
      return fail(Code::kConflict,
                  fmt::format("there are persons in {0} already; put them aside first: mv {0} "
                              "{0}.before",
                              folder_));
    }
    return fail(Code::kConflict,
                "there are persons in the database of persons.postgres_url already; name an empty "
                "one, or drop its posthog_person…, posthog_group… and penstock_… tables");
  }

  Result<std::string> source_state() override {
    PENSTOCK_TRY(const auto positions, source_->positions());
    std::string out;
    for (const log::Position& p : positions) {
      out += fmt::format("{}:{} ", p.partition.value, p.next.value);
    }
    return out;
  }

  Result<uint64_t> bytes_needed() override {
    PENSTOCK_TRY(size_, source_->size());
    return size_.bytes;
  }

  Status copy(PartNote& note) override {
    persons::PersonDigest digest;
    if (!note.cursor.empty()) {
      PENSTOCK_TRY(digest, persons::PersonDigest::load(note.digest));
    } else {
      note.items = note.bytes = 0;
    }
    moving_.progress.begin(name(), "copying", size_.records, size_.bytes, note.items, note.bytes);
    while (true) {
      PENSTOCK_TRY(const auto piece, source_->read(note.cursor, moving_.piece_bytes));
      PENSTOCK_CHECK(digest.add(piece));
      PENSTOCK_CHECK(target_->write(piece));
      const size_t items = piece.records.size() + piece.forgotten.size();
      note.items += items;
      note.bytes += piece.bytes;
      note.cursor = piece.next;
      note.copied = piece.next.empty();
      note.digest = digest.save();
      PENSTOCK_CHECK(moving_.journal.save());
      moving_.progress.add(items, piece.bytes);
      if (note.copied) return {};
    }
  }

  Result<std::string> compare(PartNote& note) override {
    PENSTOCK_TRY(const auto copied, persons::PersonDigest::load(note.digest));
    persons::PersonDigest found;
    moving_.progress.begin(name(), "comparing", note.items, note.bytes);
    std::string cursor;
    do {
      PENSTOCK_TRY(const auto piece, target_->read(cursor, moving_.piece_bytes));
      PENSTOCK_CHECK(found.add(piece));
      moving_.progress.add(piece.records.size() + piece.forgotten.size(), piece.bytes);
      cursor = piece.next;
    } while (!cursor.empty());
    if (found != copied) {
      return fail(Code::kCorrupt, fmt::format("what {} holds is not what {} held: {}", to(), from(),
                                              copied.difference(found)));
    }
    return copied.text();
  }

  Status finish() override {
    PENSTOCK_TRY(const auto positions, source_->positions());
    return target_->finish(positions);
  }

 private:
  Moving& moving_;
  const std::string folder_;
  persons::PersonCopy::Size size_;
  std::unique_ptr<persons::PersonCopy> source_, target_;
};

}  // namespace

std::unique_ptr<Part> make_persons_part(Moving& moving) {
  return std::make_unique<PersonsPart>(moving);
}

}  // namespace penstock::cli::move
