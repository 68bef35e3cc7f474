#include "postgres/wire_format.h"

#include <algorithm>

namespace penstock::postgres {
namespace {

constexpr int64_t kPostgresEpochMs = 946'684'800'000;  // 2000-01-01
constexpr char kJsonbVersion = 1;

void put(std::string& out, uint64_t v, int bytes) {
  for (int shift = (bytes - 1) * 8; shift >= 0; shift -= 8) {
    out.push_back(static_cast<char>(v >> shift));
  }
}

uint32_t array_of(ArrayOf type) {
  switch (type) {
    case ArrayOf::kBool: return 1000;
    case ArrayOf::kBytes: return 1001;
    case ArrayOf::kInt8: return 1016;
    case ArrayOf::kText: return 1009;
    case ArrayOf::kTimestamp: return 1185;
    case ArrayOf::kUuid: return 2951;
    case ArrayOf::kJsonb: return 3807;
  }
  return 0;
}

std::string_view view(const Uuid& v) {
  return {reinterpret_cast<const char*>(v.bytes.data()), v.bytes.size()};
}

}  // namespace

ArrayWriter::ArrayWriter(ArrayOf type) : type_(type) {}

void ArrayWriter::length(uint32_t n) {
  count_++;
  put(bytes_, n, 4);
}
void ArrayWriter::add(int64_t v) {
  length(8);
  put(bytes_, static_cast<uint64_t>(v), 8);
}
void ArrayWriter::add(bool v) {
  length(1);
  bytes_.push_back(v ? 1 : 0);
}
void ArrayWriter::add(std::string_view v) {
  const bool json = type_ == ArrayOf::kJsonb;
  length(static_cast<uint32_t>(v.size() + (json ? 1 : 0)));
  if (json) bytes_.push_back(kJsonbVersion);
  bytes_ += v;
}
void ArrayWriter::add(const Uuid& v) {
  length(16);
  bytes_ += view(v);
}
void ArrayWriter::add_time_ms(int64_t unix_ms) { add((unix_ms - kPostgresEpochMs) * 1000); }
void ArrayWriter::add_null() {
  count_++;
  has_null_ = true;
  put(bytes_, 0xffff'ffff, 4);
}

std::string ArrayWriter::take() {
  std::string out;
  out.reserve(20 + bytes_.size());
  put(out, count_ == 0 ? 0 : 1, 4);
  put(out, has_null_ ? 1 : 0, 4);
  put(out, static_cast<uint32_t>(type_), 4);
  if (count_ == 0) return out;
  put(out, count_, 4);
  put(out, 1, 4);
  out += bytes_;
  return out;
}

uint32_t ArrayWriter::array_oid() const { return array_of(type_); }

Params& Params::array(ArrayWriter& values) {
  types_.push_back(values.array_oid());
  values_.push_back(values.take());
  return *this;
}
Params& Params::number(int64_t v) {
  types_.push_back(static_cast<Oid>(ArrayOf::kInt8));
  put(values_.emplace_back(), static_cast<uint64_t>(v), 8);
  return *this;
}
Params& Params::text(std::string_view v) {
  types_.push_back(static_cast<Oid>(ArrayOf::kText));
  values_.emplace_back(v);
  return *this;
}
Params& Params::uuid(const Uuid& v) {
  types_.push_back(static_cast<Oid>(ArrayOf::kUuid));
  values_.emplace_back(view(v));
  return *this;
}

std::string_view Rows::bytes(int row, int column) const {
  return {PQgetvalue(result_.get(), row, column),
          static_cast<size_t>(PQgetlength(result_.get(), row, column))};
}

int64_t Rows::number(int row, int column) const {
  const std::string_view in = bytes(row, column);
  if (in.empty()) return 0;
  uint64_t v = (static_cast<uint8_t>(in[0]) & 0x80) != 0 ? ~0ULL : 0;
  for (const char c : in) v = (v << 8) | static_cast<uint8_t>(c);
  return static_cast<int64_t>(v);
}

Uuid Rows::uuid(int row, int column) const {
  Uuid out;
  const std::string_view in = bytes(row, column);
  if (in.size() == out.bytes.size()) std::copy(in.begin(), in.end(), out.bytes.begin());
  return out;
}

std::string_view Rows::jsonb(int row, int column) const {
  const std::string_view in = bytes(row, column);
  return in.empty() ? in : in.substr(1);
}

int64_t Rows::time_ms(int row, int column) const {
  const int64_t us = number(row, column);
  return (us >= 0 ? us / 1000 : -((-us + 999) / 1000)) + kPostgresEpochMs;
}

}  // namespace penstock::postgres
