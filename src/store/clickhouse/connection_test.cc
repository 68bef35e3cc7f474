// Goal: rows travel as what the request says they are, and come out as they went in.
#include "store/clickhouse/connection.h"

#include <gtest/gtest.h>
#include <lz4frame.h>
#include <zstd.h>

namespace penstock::store::clickhouse {
namespace {

std::string un_lz4(const std::string& frame, size_t size_max) {
  LZ4F_dctx* context = nullptr;
  if (LZ4F_isError(LZ4F_createDecompressionContext(&context, LZ4F_VERSION)) != 0U) return {};
  std::string out(size_max, '\0');
  size_t at = 0, read = 0, left = 1;
  while (left != 0 && LZ4F_isError(left) == 0U) {
    size_t room = out.size() - at, given = frame.size() - read;
    left = LZ4F_decompress(context, out.data() + at, &room, frame.data() + read, &given, nullptr);
    if (room == 0 && given == 0) break;
    at += room;
    read += given;
  }
  LZ4F_freeDecompressionContext(context);
  out.resize(left == 0 && read == frame.size() ? at : 0);
  return out;
}

std::string un_zstd(const std::string& frame, size_t size_max) {
  std::string out(size_max, '\0');
  const size_t n = ZSTD_decompress(out.data(), out.size(), frame.data(), frame.size());
  out.resize(ZSTD_isError(n) != 0U ? 0 : n);
  return out;
}

std::vector<Packed> packed_by(const std::string& compression, const std::string& rows) {
  ClickHouseOptions options;
  options.compression = compression;
  std::vector<Statement> statements;
  statements.push_back({"INSERT INTO t", rows});
  statements.push_back({"SELECT 1", ""});
  return packed(std::move(statements), options);
}

TEST(Packed, RowsComeOutAsTheyWentIn) {
  std::string rows;
  for (int i = 0; i < 40'000; i++) rows += "row " + std::to_string(i * i % 977) + "\n";
  for (const std::string& some : {rows, std::string("x"), std::string(1'000'000, '\0')}) {
    const auto none = packed_by("none", some), lz4 = packed_by("lz4", some),
               zstd = packed_by("zstd", some);
    EXPECT_EQ(*none[0].rows, some);
    EXPECT_EQ(un_lz4(*lz4[0].rows, some.size() + 1), some);
    EXPECT_EQ(un_zstd(*zstd[0].rows, some.size() + 1), some);
    EXPECT_LT(lz4[0].rows->size(), some.size() / 2 + 64);
    EXPECT_EQ(none[0].encoding, "");
    EXPECT_EQ(lz4[0].encoding, "lz4");
    EXPECT_EQ(zstd[0].encoding, "zstd");
  }
}

TEST(Packed, OnlyWhatLeavesTheMachineIsCompressedUnlessAsked) {
  const auto of = [](const std::string& urls, const std::string& asked = "auto") {
    ClickHouseOptions options;
    options.urls = urls;
    options.compression = asked;
    return compression_of(options);
  };
  for (const char* here : {"http://127.0.0.1:8123", "https://localhost:8443,http://[::1]:8123"}) {
    EXPECT_EQ(of(here), "none") << here;
    EXPECT_EQ(of(here, "zstd"), "zstd") << here;
  }
  for (const char* there : {"https://ch-1:8443", "http://127.0.0.1:8123,http://ch-2:8123",
                            "http://localhost.example.com:8123", "http://10.0.0.1:8123"}) {
    EXPECT_EQ(of(there), "lz4") << there;
    EXPECT_EQ(of(there, "none"), "none") << there;
  }
}

TEST(Packed, AStatementWithoutRowsIsItsText) {
  const auto all = packed_by("lz4", "x");
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[1].sql, "SELECT 1");
  EXPECT_EQ(all[1].rows, nullptr);
  EXPECT_EQ(all[1].encoding, "");
}

}  // namespace
}  // namespace penstock::store::clickhouse
