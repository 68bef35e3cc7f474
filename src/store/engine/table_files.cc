#include "store/engine/table_files.h"

#include <fcntl.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string_view>
#include <utility>
#include <vector>

namespace penstock::store {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kKept = "kept_definitions";
constexpr std::string_view kFormatFile = "format_version.txt", kFormat = "1";
constexpr std::string_view kMutationPrefix = "mutation_";

std::string read(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

bool on_disk(const fs::path& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const bool synced = ::fsync(fd) == 0;
  ::close(fd);
  return synced;
}

/// Under its name only when all of it is on the disk.
Status write(const fs::path& path, std::string_view text) {
  fs::path next = path;
  next += ".next";
  {
    std::ofstream out(next, std::ios::binary | std::ios::trunc);
    out << text << std::flush;
    if (!out) return fail(Code::kUnavailable, "cannot write " + next.string());
  }
  std::error_code error;
  if (on_disk(next)) fs::rename(next, path, error);
  if (error || !on_disk(path) || !on_disk(path.parent_path())) {
    return fail(Code::kUnavailable, "cannot write " + path.string());
  }
  return {};
}

Status remove_file(const fs::path& path) {
  std::error_code error;
  fs::remove(path, error);
  if (error || !on_disk(path.parent_path())) {
    return fail(Code::kUnavailable, "cannot remove " + path.string());
  }
  return {};
}

/// The engine ends each with a line's end, written last.
bool is_definition(std::string_view text) {
  return text.starts_with("ATTACH ") && text.ends_with('\n');
}

std::vector<fs::path> entries(const fs::path& directory) {
  std::vector<fs::path> out;
  std::error_code error;
  for (fs::directory_iterator at(directory, error), end; !error && at != end; at.increment(error)) {
    out.push_back(at->path());
  }
  return out;
}

/// Those of each database, which is a link to where they are.
std::vector<fs::path> definitions(const fs::path& directory) {
  std::vector<fs::path> out;
  for (const fs::path& database : entries(directory / "metadata")) {
    for (fs::path& file : entries(database)) {
      if (file.extension() == ".sql") out.push_back(std::move(file));
    }
  }
  return out;
}

std::vector<fs::path> tables(const fs::path& directory) {
  std::vector<fs::path> out;
  for (const fs::path& group : entries(directory / "store")) {
    for (fs::path& table : entries(group)) out.push_back(std::move(table));
  }
  return out;
}

fs::path kept(const fs::path& directory, const fs::path& definition) {
  return directory / kKept / definition.parent_path().filename() / definition.filename();
}

/// By which the engine finds a table's folder: in the first line.
std::string_view uuid_of(std::string_view definition) {
  constexpr std::string_view kWord = "UUID '";
  const std::string_view line = definition.substr(0, definition.find('\n'));
  const size_t at = line.find(kWord);
  if (at == std::string_view::npos) return {};
  const std::string_view rest = line.substr(at + kWord.size());
  return rest.substr(0, rest.find('\''));
}

/// A table that was renamed has its old name among the copies: one folder is not for two.
bool is_elsewhere(const fs::path& directory, std::string_view definition) {
  for (const fs::path& file : definitions(directory)) {
    const std::string text = read(file);
    if (is_definition(text) && uuid_of(text) == uuid_of(definition)) return true;
  }
  return false;
}

bool has_parts(const fs::path& table) {
  for (const fs::path& entry : entries(table)) {
    std::error_code error;
    if (fs::exists(entry / "checksums.txt", error)) return true;
  }
  return false;
}

/// Rows were stored there: more tables than the one that says which migrations were made have
/// parts.
bool is_used(const fs::path& directory) {
  size_t with_parts = 0;
  for (const fs::path& table : tables(directory)) with_parts += has_parts(table) ? 1 : 0;
  return with_parts > 1;
}

/// Of one table: the files beside its parts.
Result<size_t> mend_table(const fs::path& table) {
  size_t mended = 0;
  for (const fs::path& file : entries(table)) {
    const std::string name = file.filename().string();
    std::error_code error;
    const bool empty = fs::is_regular_file(file, error) && fs::file_size(file, error) == 0;
    if (!empty || error) continue;
    if (name == kFormatFile) {
      PENSTOCK_CHECK(write(file, kFormat));
    } else if (name.starts_with(kMutationPrefix)) {
      PENSTOCK_CHECK(remove_file(file));
    } else {
      continue;
    }
    mended++;
  }
  return mended;
}

}  // namespace

Status check_table_files(const std::string& directory) {
  for (const fs::path& file : definitions(directory)) {
    if (is_definition(read(file)) && on_disk(file)) continue;
    return fail(Code::kUnavailable,
                file.string() + " was not written whole; is the disk full? (NOT_ENOUGH_SPACE)");
  }
  for (const fs::path& table : tables(directory)) {
    const fs::path format = table / kFormatFile;
    std::error_code error;
    if (!fs::exists(format, error) || fs::file_size(format, error) > 0) continue;
    return fail(Code::kUnavailable,
                format.string() + " was not written; is the disk full? (NOT_ENOUGH_SPACE)");
  }
  return {};
}

Result<size_t> mend_table_files(const std::string& directory) {
  size_t mended = 0;
  for (const fs::path& file : definitions(directory)) {
    if (is_definition(read(file))) continue;
    const std::string before = read(kept(directory, file));
    std::error_code error;
    if (before.empty() && !fs::exists(fs::path(directory) / kKept, error) && is_used(directory)) {
      return fail(Code::kCorrupt, file.string() + " is not whole, and no copy of it is there");
    }
    const bool fits = is_definition(before) && !is_elsewhere(directory, before);
    PENSTOCK_CHECK(fits ? write(file, before) : remove_file(file));
    mended++;
  }
  for (const fs::path& table : tables(directory)) {
    PENSTOCK_TRY(const size_t more, mend_table(table));
    mended += more;
  }
  return mended;
}

void keep_table_files(const std::string& directory) {
  for (const fs::path& file : definitions(directory)) {
    const std::string text = read(file);
    const fs::path copy = kept(directory, file);
    if (!is_definition(text) || read(copy) == text) continue;
    std::error_code error;
    fs::create_directories(copy.parent_path(), error);
    if (const Status written = write(copy, text); !written) break;
  }
  for (const fs::path& database : entries(fs::path(directory) / kKept)) {
    for (const fs::path& copy : entries(database)) {
      std::error_code error;
      const fs::path name = database.filename() / copy.filename();
      if (!fs::exists(fs::path(directory) / "metadata" / name, error)) fs::remove(copy, error);
    }
  }
}

}  // namespace penstock::store
