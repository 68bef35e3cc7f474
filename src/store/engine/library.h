// The engine's C interface, found in its shared library at run time. The package has no header;
// these are the functions of libchdb 26.7.3. Only the engine child uses this.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace penstock::store {

/// What the engine answered to one statement.
struct EngineAnswer {
  std::string error;  // the engine's text; empty: done
  std::string body;
  uint64_t rows = 0, bytes = 0;
  int64_t elapsed_us = 0;
};

class EngineLibrary {
 public:
  using Connection = void**;

  /// False: the reason is on stderr.
  bool load(const std::string& path);
  /// Null when the engine refuses. All connections of a process name the same path.
  Connection open(std::vector<std::string> arguments) const;
  void close(Connection connection) const { close_(connection); }
  /// Blocks. One statement at a time per connection; connections work side by side.
  EngineAnswer ask(Connection connection, std::string_view sql, std::string_view format) const;
  /// INSERT without FORMAT, and its rows in RowBinary. Rows inside the statement's text would not
  /// do: the engine ends them at the first empty line, which binary rows contain.
  EngineAnswer insert(Connection connection, std::string_view sql, std::string_view rows) const;

 private:
  Connection (*connect_)(int, char**) = nullptr;
  void (*close_)(Connection) = nullptr;
  void* (*query_)(void*, const char*, size_t, const char*, size_t) = nullptr;
  void (*destroy_)(void*) = nullptr;
  char* (*buffer_)(void*) = nullptr;
  size_t (*length_)(void*) = nullptr;
  const char* (*error_)(void*) = nullptr;
  uint64_t (*rows_read_)(void*) = nullptr;
  uint64_t (*bytes_read_)(void*) = nullptr;
  void (*signals_)(bool) = nullptr;
  void* (*insert_)(void*, const char*, size_t, const char*, size_t) = nullptr;
  const char* (*insert_error_)(void*) = nullptr;
  int (*append_)(void*, const char*, size_t) = nullptr;
  void* (*done_)(void*) = nullptr;
  void (*destroy_insert_)(void*) = nullptr;
};

}  // namespace penstock::store
