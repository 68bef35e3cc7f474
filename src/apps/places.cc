#include "apps/places.h"

#include <maxminddb.h>

#include <cctype>
#include <charconv>

#include "base/json_writer.h"

namespace penstock::apps {
namespace {

std::string camel(std::string_view key) {
  std::string out;
  for (size_t i = 0; i < key.size(); i++) {
    if (key[i] == '_' && i + 1 < key.size()) {
      out.push_back(static_cast<char>(std::toupper(static_cast<unsigned char>(key[++i]))));
    } else {
      out.push_back(key[i]);
    }
  }
  return out;
}

std::string shortest(double value) {
  char text[32];
  const auto end = std::to_chars(text, text + sizeof text, value).ptr;
  return {text, end};
}

std::string_view text_of_entry(const MMDB_entry_data_s& data) {
  return {data.utf8_string, data.data_size};
}

/// Writes one value and answers what follows it in the list. The database nests a few levels; a
/// broken one that nests more ends the record.
const MMDB_entry_data_list_s* write(const MMDB_entry_data_list_s* at, JsonWriter& w, bool camels,
                                    int depth) {
  if (at == nullptr || depth > 16) return nullptr;
  const MMDB_entry_data_s& data = at->entry_data;
  uint32_t left = data.data_size;
  const MMDB_entry_data_list_s* next = at->next;
  switch (data.type) {
    case MMDB_DATA_TYPE_MAP:
      w.begin_object();
      for (; left > 0 && next != nullptr; left--) {
        const std::string_view key = text_of_entry(next->entry_data);
        w.key(camels ? camel(key) : std::string(key));
        if (next->next == nullptr) w.null();
        next = write(next->next, w, camels, depth + 1);
      }
      w.end_object();
      break;
    case MMDB_DATA_TYPE_ARRAY:
      w.begin_array();
      for (; left > 0 && next != nullptr; left--) next = write(next, w, camels, depth + 1);
      w.end_array();
      break;
    case MMDB_DATA_TYPE_UTF8_STRING: w.string(text_of_entry(data)); break;
    case MMDB_DATA_TYPE_DOUBLE: w.raw(shortest(data.double_value)); break;
    case MMDB_DATA_TYPE_FLOAT: w.raw(shortest(static_cast<double>(data.float_value))); break;
    case MMDB_DATA_TYPE_UINT16: w.number(int64_t{data.uint16}); break;
    case MMDB_DATA_TYPE_UINT32: w.number(int64_t{data.uint32}); break;
    case MMDB_DATA_TYPE_INT32: w.number(int64_t{data.int32}); break;
    case MMDB_DATA_TYPE_UINT64: w.number(uint64_t{data.uint64}); break;
    case MMDB_DATA_TYPE_BOOLEAN: w.boolean(data.boolean); break;
    default: w.null(); break;
  }
  return next;
}

}  // namespace

struct Places::Database {
  MMDB_s mmdb{};
};

Places::Places(std::unique_ptr<Database> database) : database_(std::move(database)) {}

Places::~Places() { MMDB_close(&database_->mmdb); }

Result<std::unique_ptr<Places>> Places::open(const std::string& file) {
  auto database = std::make_unique<Database>();
  const int done = MMDB_open(file.c_str(), MMDB_MODE_MMAP, &database->mmdb);
  if (done != MMDB_SUCCESS) {
    const Code code = done == MMDB_FILE_OPEN_ERROR ? Code::kNotFound : Code::kCorrupt;
    return fail(code, "the places of addresses in " + file + ": " + MMDB_strerror(done));
  }
  return std::unique_ptr<Places>(new Places(std::move(database)));
}

std::string Places::locate(std::string_view ip, bool camel_case) const {
  int address_error = 0, error = MMDB_SUCCESS;
  const std::string text(ip);
  MMDB_lookup_result_s found =
      MMDB_lookup_string(&database_->mmdb, text.c_str(), &address_error, &error);
  if (address_error != 0 || error != MMDB_SUCCESS || !found.found_entry) return {};
  MMDB_entry_data_list_s* list = nullptr;
  if (MMDB_get_entry_data_list(&found.entry, &list) != MMDB_SUCCESS) {
    MMDB_free_entry_data_list(list);
    return {};
  }
  JsonWriter w;
  write(list, w, camel_case, 0);
  MMDB_free_entry_data_list(list);
  return w.take();
}

}  // namespace penstock::apps
