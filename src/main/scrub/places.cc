#include "main/scrub/places.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <sstream>
#include <utility>

#include "kv/table_file.h"
#include "store/table_access.h"

namespace penstock::cli::scrub {
namespace {

constexpr auto kPatience = std::chrono::minutes(1);
constexpr size_t kObjectsAtOnce = 1000, kPartsMax = 100'000;
constexpr auto kWritten = std::chrono::minutes(10);  // a file of values, since its last byte

/// Runs `work` in the pool and hands its answer to `done` on the loop.
template <typename T>
void in_pool(runtime::Loop& loop, runtime::Runtime& runtime, std::function<Result<T>()> work,
             std::move_only_function<void(Result<T>)> done) {
  auto answer = std::make_shared<Result<T>>(fail(Code::kBusy, "not asked"));
  auto told = std::make_shared<std::move_only_function<void(Result<T>)>>(std::move(done));
  auto job = [answer, work = std::move(work)] { *answer = work(); };
  const auto end = [answer, told] { (*told)(std::move(*answer)); };
  if (!runtime.pool().submit(std::move(job), loop, end)) loop.post(end);
}

class StatePlace final : public Place {
 public:
  StatePlace(runtime::Loop& loop, runtime::Runtime& runtime, std::string directory)
      : loop_(loop), runtime_(runtime), directory_(std::move(directory)) {}
  std::string_view name() const override { return "state"; }

  void list(std::string after, Listed done) override {
    in_pool<std::vector<Item>>(
        loop_, runtime_,
        [directory = directory_, after = std::move(after)]() -> Result<std::vector<Item>> {
          namespace fs = std::filesystem;
          std::vector<Item> out;
          std::error_code error;
          for (const auto& database : fs::directory_iterator(directory, error)) {
            if (!database.is_directory(error)) continue;
            for (const auto& file : fs::directory_iterator(database.path(), error)) {
              if (!is_table(file.path()) && !has_values(file.path())) continue;
              std::error_code gone;
              const uint64_t bytes = file.file_size(gone);
              std::string name = fs::relative(file.path(), directory, error).string();
              if (!gone && name > after) out.push_back({std::move(name), bytes});
            }
          }
          std::ranges::sort(out, {}, &Item::name);
          return out;
        },
        std::move(done));
  }

  void check(Item item, Checked done) override {
    in_pool<std::string>(
        loop_, runtime_,
        [path = directory_ + "/" + item.name]() -> Result<std::string> {
          const Status s = has_values(path) ? check_values(path) : kv::check_table_file(path);
          if (!s && s.error().code == Code::kCorrupt) return s.error().message;
          PENSTOCK_CHECK(s);
          return std::string();
        },
        std::move(done));
  }

 private:
  static bool is_table(const std::filesystem::path& file) { return file.extension() == ".sst"; }
  static bool has_values(const std::filesystem::path& file) { return file.extension() == ".blob"; }

  /// One without an end is being written, unless nobody has written to it for long.
  static Status check_values(const std::string& path) {
    Status s = kv::check_value_file(path);
    if (s || s.error().code != Code::kBusy) return s;
    std::error_code gone;
    const auto written = std::filesystem::last_write_time(path, gone);
    const auto now = std::filesystem::file_time_type::clock::now();
    if (gone || now - written < kWritten) return fail(Code::kNotFound, path + " has no end yet");
    return fail(Code::kCorrupt, s.error().message);
  }

  runtime::Loop& loop_;
  runtime::Runtime& runtime_;
  const std::string directory_;
};

class ObjectsPlace final : public Place {
 public:
  ObjectsPlace(runtime::Loop& loop, runtime::Runtime& runtime,
               std::shared_ptr<objects::ObjectStore> objects)
      : loop_(loop), runtime_(runtime), objects_(std::move(objects)) {}
  std::string_view name() const override { return "objects"; }

  void list(std::string after, Listed done) override {
    in_pool<std::vector<Item>>(
        loop_, runtime_,
        [objects = objects_, after = std::move(after)]() -> Result<std::vector<Item>> {
          PENSTOCK_TRY(const auto found, objects->list("", after, kObjectsAtOnce, kPatience));
          std::vector<Item> out;
          for (const objects::ObjectInfo& one : found) out.push_back({one.key, one.size});
          return out;
        },
        std::move(done));
  }

  void check(Item item, Checked done) override {
    in_pool<std::string>(
        loop_, runtime_,
        [objects = objects_, key = item.name]() -> Result<std::string> {
          const auto body = objects->get(key, {}, kPatience);
          if (body) return std::string();
          if (body.error().code == Code::kCorrupt) return body.error().message;
          return std::unexpected(body.error());
        },
        std::move(done));
  }

 private:
  runtime::Loop& loop_;
  runtime::Runtime& runtime_;
  const std::shared_ptr<objects::ObjectStore> objects_;
};

/// Names are "table/part", as the engine has them.
class StorePlace final : public Place {
 public:
  explicit StorePlace(store::TableAccess& access) : access_(access) {}
  std::string_view name() const override { return "store"; }

  void list(std::string after, Listed done) override {
    access_.ask(fmt::format("SELECT concat(table, '/', name) AS part, bytes_on_disk FROM "
                            "system.parts WHERE active AND database = currentDatabase() AND "
                            "part > '{}' ORDER BY part LIMIT {}",
                            after, kPartsMax),
                "TSV", [done = std::move(done)](Result<std::string> answer) mutable {
                  if (!answer) return done(std::unexpected(std::move(answer).error()));
                  std::vector<Item> out;
                  std::istringstream lines(*answer);
                  for (Item item; lines >> item.name >> item.bytes;) out.push_back(item);
                  done(std::move(out));
                });
  }

  void check(Item item, Checked done) override {
    const size_t slash = item.name.find('/');
    const std::string table = item.name.substr(0, slash), part = item.name.substr(slash + 1);
    access_.ask(
        fmt::format("CHECK TABLE `{}` PART '{}' SETTINGS check_query_single_value_result = 0",
                    table, part),
        "TSV",
        [&access = access_, table, part,
         done = std::move(done)](Result<std::string> answer) mutable {
          // "part, 1 for whole, what is wrong"; a part that a merge took is no answer but an error.
          if (answer && answer->find("\t1\t") != std::string::npos) return done(std::string());
          std::string problem = answer ? *answer : answer.error().message;
          if (!answer && answer.error().code != Code::kInvalid &&
              answer.error().code != Code::kNotFound && answer.error().code != Code::kCorrupt) {
            return done(std::unexpected(std::move(answer).error()));
          }
          still_there(access, table, part, std::move(problem), std::move(done));
        });
  }

 private:
  static void still_there(store::TableAccess& access, const std::string& table,
                          const std::string& part, std::string problem, Checked done) {
    access.ask(
        fmt::format("SELECT count() FROM system.parts WHERE active AND database = "
                    "currentDatabase() AND table = '{}' AND name = '{}'",
                    table, part),
        "TSV",
        [problem = std::move(problem), done = std::move(done)](Result<std::string> answer) mutable {
          if (!answer) return done(std::unexpected(std::move(answer).error()));
          if (answer->starts_with("0")) return done(fail(Code::kNotFound, "merged away"));
          done(std::move(problem));
        });
  }

  store::TableAccess& access_;
};

}  // namespace

std::unique_ptr<Place> make_state_place(runtime::Loop& loop, runtime::Runtime& runtime,
                                        std::string directory) {
  return std::make_unique<StatePlace>(loop, runtime, std::move(directory));
}

std::unique_ptr<Place> make_objects_place(runtime::Loop& loop, runtime::Runtime& runtime,
                                          std::shared_ptr<objects::ObjectStore> objects) {
  return std::make_unique<ObjectsPlace>(loop, runtime, std::move(objects));
}

std::unique_ptr<Place> make_store_place(store::EventStore& store) {
  store::TableAccess* access = store::table_access(store);
  return access == nullptr ? nullptr : std::make_unique<StorePlace>(*access);
}

}  // namespace penstock::cli::scrub
