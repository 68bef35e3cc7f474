#include "store/engine/library.h"

#include <dlfcn.h>

#include <chrono>
#include <cstdio>

namespace penstock::store {
namespace {

constexpr std::string_view kFormat = "RowBinary";

template <typename F>
bool find(void* handle, const char* name, F& out) {
  out = reinterpret_cast<F>(::dlsym(handle, name));
  if (out == nullptr) std::fprintf(stderr, "penstock: the engine's library lacks %s\n", name);
  return out != nullptr;
}

}  // namespace

bool EngineLibrary::load(const std::string& path) {
  void* h = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (h == nullptr) {
    std::fprintf(stderr, "penstock: cannot load the engine: %s\n", ::dlerror());
    return false;
  }
  if (!find(h, "chdb_connect", connect_) || !find(h, "chdb_close_conn", close_) ||
      !find(h, "chdb_query_n", query_) || !find(h, "chdb_destroy_query_result", destroy_) ||
      !find(h, "chdb_result_buffer", buffer_) || !find(h, "chdb_result_length", length_) ||
      !find(h, "chdb_result_error", error_) || !find(h, "chdb_result_rows_read", rows_read_) ||
      !find(h, "chdb_result_bytes_read", bytes_read_) ||
      !find(h, "chdb_stream_insert_n", insert_) || !find(h, "chdb_stream_append", append_) ||
      !find(h, "chdb_stream_insert_error", insert_error_) || !find(h, "chdb_stream_done", done_) ||
      !find(h, "chdb_destroy_insert_stream", destroy_insert_) ||
      !find(h, "chdb_set_signal_handlers_enabled", signals_)) {
    return false;
  }
  signals_(false);
  return true;
}

EngineLibrary::Connection EngineLibrary::open(std::vector<std::string> arguments) const {
  std::vector<char*> argv;
  for (std::string& a : arguments) argv.push_back(a.data());
  return connect_(static_cast<int>(argv.size()), argv.data());
}

EngineAnswer EngineLibrary::ask(Connection connection, std::string_view sql,
                                std::string_view format) const {
  const auto begin = std::chrono::steady_clock::now();
  void* result = query_(*connection, sql.data(), sql.size(), format.data(), format.size());
  EngineAnswer out;
  if (result == nullptr) {
    out.error = "the engine gave no answer";
    return out;
  }
  if (const char* error = error_(result); error != nullptr && *error != '\0') out.error = error;
  if (const size_t n = length_(result); n > 0) out.body.assign(buffer_(result), n);
  out.rows = rows_read_(result);
  out.bytes = bytes_read_(result);
  destroy_(result);
  out.elapsed_us = std::chrono::duration_cast<std::chrono::microseconds>(
                       std::chrono::steady_clock::now() - begin)
                       .count();
  return out;
}

EngineAnswer EngineLibrary::insert(Connection connection, std::string_view sql,
                                   std::string_view rows) const {
  EngineAnswer out;
  void* stream = insert_(*connection, sql.data(), sql.size(), kFormat.data(), kFormat.size());
  const auto failed = [&] {
    const char* error = insert_error_(stream);
    if (error != nullptr && *error != '\0') out.error = error;
    return !out.error.empty();
  };
  if (!failed() && append_(stream, rows.data(), rows.size()) != 0 && !failed()) {
    out.error = "the engine did not take the rows";
  }
  if (out.error.empty()) {
    void* result = done_(stream);
    const char* error = result == nullptr ? "the engine gave no answer" : error_(result);
    if (error != nullptr && *error != '\0') out.error = error;
    if (result != nullptr) destroy_(result);
  }
  destroy_insert_(stream);
  return out;
}

}  // namespace penstock::store
