// The catalog: SQLite in the data directory, PostgreSQL. Small: copied whole, in one transaction.
#include <fmt/format.h>

#include <filesystem>

#include "base/hash.h"
#include "catalog/catalog_copy.h"
#include "main/catalog_engine.h"
#include "main/move/part.h"

namespace penstock::cli::move {
namespace {

class CatalogPart final : public Part {
 public:
  explicit CatalogPart(Moving& moving) : moving_(moving), file_(moving.data_dir + "/catalog.db") {}

  std::string name() const override { return "catalog"; }
  std::string from() const override { return moving_.out ? "sqlite" : "postgres"; }
  std::string to() const override { return moving_.out ? "postgres" : "sqlite"; }
  std::string option() const override { return "catalog.engine"; }
  std::string target() const override {
    const auto& options = moving_.settings.catalog;
    return moving_.out ? fmt::format("{:016x}", hash64(options.url + "\n" + options.schema))
                       : file_;
  }

  Status check(bool ours) override {
    const auto& options = moving_.settings.catalog;
    if (options.url.empty()) {
      return fail(Code::kInvalid, "catalog.postgres_url is not set: name the database there");
    }
    if (moving_.out && !std::filesystem::exists(file_)) {
      return fail(Code::kNotFound, "there is no catalog " + file_);
    }
    auto server = catalog::open_postgres_catalog_copy(options);
    if (!server) return fail(server.error(), "catalog.postgres_url");
    PENSTOCK_TRY(auto embedded, catalog::open_sqlite_catalog_copy(file_));
    source_ = std::move(moving_.out ? embedded : *server);
    target_ = std::move(moving_.out ? *server : embedded);
    if (ours) return {};
    PENSTOCK_TRY(const bool empty, target_->is_empty());
    if (empty) return {};
    if (!moving_.out) {
      return fail(Code::kConflict,
                  fmt::format("there is a catalog in {0} already; put it aside first: mv {0} "
                              "{0}.before",
                              file_));
    }
    return fail(Code::kConflict,
                fmt::format("the schema {} of catalog.postgres_url holds a catalog already; name "
                            "another by catalog.postgres_schema, or drop it",
                            options.schema));
  }

  Result<std::string> source_state() override {
    PENSTOCK_CHECK(read());
    return fmt::format("{:016x}", content_.hash());
  }

  Result<uint64_t> bytes_needed() override {
    PENSTOCK_CHECK(read());
    return content_.bytes();
  }

  Status copy(PartNote& note) override {
    PENSTOCK_CHECK(read());
    moving_.progress.begin(name(), "copying", content_.rows(), content_.bytes());
    PENSTOCK_CHECK(target_->write(content_));
    note.items = content_.rows();
    note.bytes = content_.bytes();
    note.digest = fmt::format("{:016x}", content_.hash());
    note.copied = true;
    moving_.progress.add(note.items, note.bytes);
    return {};
  }

  Result<std::string> compare(PartNote& note) override {
    moving_.progress.begin(name(), "comparing", note.items, note.bytes);
    PENSTOCK_TRY(const auto found, target_->read(""));
    if (fmt::format("{:016x}", found.hash()) != note.digest) {
      return fail(Code::kCorrupt, fmt::format("the catalog in {} has {} rows, not the {} of {}",
                                              to(), found.rows(), note.items, from()));
    }
    moving_.progress.add(note.items, note.bytes);
    return fmt::format("{} projects, {} users, {} rows in all", found.tables[0].rows.size(),
                       found.tables[1].rows.size(), found.rows());
  }

  Status finish() override { return {}; }

 private:
  Status read() {
    if (!content_.tables.empty()) return {};
    Settings then = moving_.settings;
    then.catalog_engine = from();
    PENSTOCK_TRY(content_, source_->read(command_line_label(then, moving_.data_dir)));
    return {};
  }

  Moving& moving_;
  const std::string file_;
  std::unique_ptr<catalog::CatalogCopy> source_, target_;
  catalog::CatalogContent content_;
};

}  // namespace

std::unique_ptr<Part> make_catalog_part(Moving& moving) {
  return std::make_unique<CatalogPart>(moving);
}

}  // namespace penstock::cli::move
