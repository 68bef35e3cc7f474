#include "catalog/catalog_copy.h"

#include <algorithm>
#include <charconv>

#include "base/hash.h"
#include "catalog/sql/postgres.h"
#include "catalog/sql/sql_catalog.h"
#include "catalog/sqlite.h"

namespace penstock::catalog {
namespace {

/// "id:i name token" → columns; `:i` is an integer.
CatalogTable table(std::string name, std::string_view columns, bool counted = false) {
  CatalogTable out{std::move(name), {}, counted, {}};
  while (!columns.empty()) {
    const size_t end = std::min(columns.find(' '), columns.size());
    std::string_view column = columns.substr(0, end);
    const bool integer = column.ends_with(":i");
    if (integer) column.remove_suffix(2);
    out.columns.push_back({std::string(column), integer});
    columns.remove_prefix(std::min(end + 1, columns.size()));
  }
  return out;
}

std::string names(const CatalogTable& table) {
  std::string out;
  for (const CatalogColumn& c : table.columns) {
    if (!out.empty()) out += ',';
    out += '"' + c.name + '"';
  }
  return out;
}

int64_t number(const std::string& text) {
  int64_t out = 0;
  std::from_chars(text.data(), text.data() + text.size(), out);
  return out;
}

template <class Db>
class SqlCatalogCopy final : public CatalogCopy {
 public:
  explicit SqlCatalogCopy(std::unique_ptr<Db> database) : database_(std::move(database)) {}

  Status prepare() {
    PENSTOCK_CHECK(database_->ready());
    return database_->migrate(kMigrations);
  }

  Result<bool> is_empty() override {
    PENSTOCK_CHECK(database_->ready());
    PENSTOCK_TRY(auto s, database_->prepare("SELECT (SELECT count(*) FROM projects) + (SELECT "
                                            "count(*) FROM users)"));
    PENSTOCK_CHECK(s.step());
    return s.integer(0) == 0;
  }

  Result<CatalogContent> read(const std::string& left_out_label) override {
    PENSTOCK_CHECK(database_->ready());
    CatalogContent out{catalog_tables()};
    for (CatalogTable& t : out.tables) {
      PENSTOCK_TRY(auto s, database_->prepare("SELECT " + names(t) + " FROM " + t.name));
      while (true) {
        PENSTOCK_TRY(const bool more, s.step());
        if (!more) break;
        std::vector<std::string> row;
        for (size_t i = 0; i < t.columns.size(); i++) {
          const int at = static_cast<int>(i);
          row.push_back(t.columns[i].integer ? std::to_string(s.integer(at)) : s.text(at));
        }
        t.rows.push_back(std::move(row));
      }
      if (t.name != "api_keys") continue;
      const auto label = std::ranges::find(t.columns, "label", &CatalogColumn::name);
      const auto at = static_cast<size_t>(label - t.columns.begin());
      std::erase_if(t.rows, [&](const auto& row) { return row[at] == left_out_label; });
    }
    return out;
  }

  Status write(const CatalogContent& content) override {
    return in_one_go([&] { return replace(content); });
  }

  Status put_projects(const std::vector<PutProject>& projects, const std::string& who,
                      int64_t now_ms) override {
    return in_one_go([&]() -> Status {
      for (const PutProject& p : projects) PENSTOCK_CHECK(put(p, who, now_ms));
      return count_on("projects");
    });
  }

 private:
  template <typename Change>
  Status in_one_go(Change change) {
    PENSTOCK_CHECK(database_->ready());
    PENSTOCK_CHECK(database_->begin());
    if (Status s = change(); !s) {
      (void)database_->run("ROLLBACK");
      return s;
    }
    return database_->commit();
  }

  Status put(const PutProject& p, const std::string& who, int64_t now_ms) {
    PENSTOCK_TRY(auto there, database_->prepare("SELECT token FROM projects WHERE id=?"));
    PENSTOCK_TRY(const bool found, there.bind(p.id).step());
    if (found && there.text(0) != p.token) {
      return fail(Code::kConflict, "project " + std::to_string(p.id) + " has another token here");
    }
    PENSTOCK_TRY(auto s, database_->prepare(found ? "UPDATE projects SET name=? WHERE id=?"
                                                  : "INSERT INTO projects(name,id,token,"
                                                    "created_at) VALUES(?,?,?,?)"));
    s.bind(std::string_view(p.name)).bind(p.id);
    if (!found) s.bind(std::string_view(p.token)).bind(p.created_at_ms);
    PENSTOCK_CHECK(s.step());
    for (const auto& [name, json] : p.settings) {
      PENSTOCK_TRY(auto set,
                   database_->prepare("INSERT INTO project_settings VALUES(?,?,?,?) ON CONFLICT"
                                      "(project_id,name) DO UPDATE SET json=excluded.json,"
                                      "changed_at=excluded.changed_at"));
      set.bind(p.id).bind(std::string_view(name)).bind(std::string_view(json)).bind(now_ms);
      PENSTOCK_CHECK(set.step());
    }
    PENSTOCK_TRY(auto audit, database_->prepare("INSERT INTO audit(at,who,action,target) "
                                                "VALUES(?,?,?,?)"));
    const std::string target = std::to_string(p.id);
    audit.bind(now_ms).bind(std::string_view(who)).bind(std::string_view("project.import"));
    PENSTOCK_CHECK(audit.bind(std::string_view(target)).step());
    return {};
  }

  /// PostgreSQL does not look at ids that it was given; SQLite does.
  Status count_on(const std::string& table) {
    if (!database_->shared()) return {};
    return database_->run("SELECT setval(pg_get_serial_sequence('" + table +
                          "', 'id'), (SELECT max(id) FROM " + table + "))");
  }

  Status replace(const CatalogContent& content) {
    for (auto t = content.tables.rbegin(); t != content.tables.rend(); ++t) {
      PENSTOCK_CHECK(database_->run("DELETE FROM " + t->name));
    }
    for (const CatalogTable& t : content.tables) {
      std::string sql = "INSERT INTO " + t.name + "(" + names(t) + ") VALUES(";
      for (size_t i = 0; i < t.columns.size(); i++) sql += i == 0 ? "?" : ",?";
      sql += ")";
      for (const auto& row : t.rows) {
        PENSTOCK_TRY(auto s, database_->prepare(sql));
        for (size_t i = 0; i < row.size(); i++) {
          if (t.columns[i].integer) {
            s.bind(number(row[i]));
          } else {
            s.bind(std::string_view(row[i]));
          }
        }
        PENSTOCK_CHECK(s.step());
      }
      if (t.counted && !t.rows.empty()) PENSTOCK_CHECK(count_on(t.name));
    }
    return {};
  }

  std::unique_ptr<Db> database_;
};

}  // namespace

std::vector<CatalogTable> catalog_tables() {
  return {
      table("projects", "id:i name token created_at:i anonymize_ips:i person_processing_opt_out:i",
            true),
      table("users", "id:i email password created_at:i", true),
      table("login_secrets", "hash expires_at:i"),
      table("sessions", "hash user_id:i created_at:i expires_at:i"),
      table("api_keys", "id:i hash label prefix project_id:i created_at:i", true),
      table("audit", "id:i at:i who action target", true),
      table("project_settings", "project_id:i name json changed_at:i"),
      table("definition_notes",
            "project_id:i kind group_type name description tags verified:i changed_at:i"),
      table("apps", "id:i project_id:i version:i capabilities created_at:i updated_at:i"),
      table("app_versions", "app_id:i number:i created_at:i who source bytes:i"),
      table("app_files", "app_id:i number:i path content"),
      table("app_configs",
            "id:i app_id:i project_id:i enabled:i order:i config filters error web_token "
            "created_at:i updated_at:i"),
  };
}

uint64_t CatalogContent::rows() const {
  uint64_t out = 0;
  for (const CatalogTable& t : tables) out += t.rows.size();
  return out;
}

uint64_t CatalogContent::bytes() const {
  uint64_t out = 0;
  for (const CatalogTable& t : tables) {
    for (const auto& row : t.rows) {
      for (const std::string& value : row) out += value.size();
    }
  }
  return out;
}

uint64_t CatalogContent::hash() const {
  uint64_t out = 0;
  for (const CatalogTable& t : tables) {
    for (const auto& row : t.rows) {
      uint64_t one = hash64(t.name);
      for (const std::string& value : row) one = hash64(value, one);
      out += one;
    }
  }
  return out;
}

Result<std::unique_ptr<CatalogCopy>> open_sqlite_catalog_copy(const std::string& path) {
  PENSTOCK_TRY(auto database, Database::open(path));
  auto out = std::make_unique<SqlCatalogCopy<Database>>(std::move(database));
  PENSTOCK_CHECK(out->prepare());
  return out;
}

Result<std::unique_ptr<CatalogCopy>> open_postgres_catalog_copy(
    const PostgresCatalogOptions& options) {
  auto out = std::make_unique<SqlCatalogCopy<PostgresDatabase>>(
      std::make_unique<PostgresDatabase>(options));
  PENSTOCK_CHECK(out->prepare());
  return out;
}

}  // namespace penstock::catalog
