// PostgreSQL's binary format: arrays as parameters, columns of results.
//
// Parameters are whole columns, so that one statement carries a cycle's changes and nothing has to
// be escaped. Memory only; a Columns owns what it encoded.
#pragma once

#include <postgresql/libpq-fe.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"

namespace penstock::postgres {

/// Type ids of PostgreSQL's catalog, fixed for ever.
enum class ArrayOf : uint32_t {
  kBool = 16,
  kBytes = 17,
  kInt8 = 20,
  kText = 25,
  kTimestamp = 1184,
  kUuid = 2950,
  kJsonb = 3802
};

class ArrayWriter {
 public:
  explicit ArrayWriter(ArrayOf type);
  void add(int64_t v);
  void add(bool v);
  void add(std::string_view v);  // text, bytes, or the JSON text of a jsonb
  void add(const Uuid& v);
  void add_time_ms(int64_t unix_ms);
  void add_null();
  /// The finished parameter; the writer is done then.
  std::string take();
  uint32_t array_oid() const;

 private:
  void length(uint32_t n);

  ArrayOf type_;
  uint32_t count_ = 0;
  bool has_null_ = false;
  std::string bytes_;
};

/// Parameters of one statement.
class Params {
 public:
  Params& array(ArrayWriter& values);
  Params& number(int64_t v);
  Params& text(std::string_view v);
  Params& uuid(const Uuid& v);

  const std::vector<std::string>& values() const { return values_; }
  const std::vector<Oid>& types() const { return types_; }

 private:
  std::vector<std::string> values_;
  std::vector<Oid> types_;
};

/// A result; columns are read in binary.
class Rows {
 public:
  explicit Rows(PGresult* result) : result_(result, &PQclear) {}
  int size() const { return PQntuples(result_.get()); }
  bool is_null(int row, int column) const { return PQgetisnull(result_.get(), row, column) != 0; }
  std::string_view bytes(int row, int column) const;
  int64_t number(int row, int column) const;  // int2, int4, int8
  bool flag(int row, int column) const { return bytes(row, column) == std::string_view("\1", 1); }
  Uuid uuid(int row, int column) const;
  std::string_view jsonb(int row, int column) const;
  int64_t time_ms(int row, int column) const;

 private:
  std::unique_ptr<PGresult, decltype(&PQclear)> result_;
};

}  // namespace penstock::postgres
