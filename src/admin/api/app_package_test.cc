#include "admin/api/app_package.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <algorithm>
#include <cstdint>

namespace penstock::admin {
namespace {

using catalog::AppFiles;

std::string tar_entry(std::string name, const std::string& bytes, char type = '0') {
  std::string header(512, '\0');
  std::ranges::copy(name, header.begin());
  const std::string size = fmt::format("{:011o}", bytes.size());
  std::ranges::copy(size, header.begin() + 124);
  header[156] = type;
  std::ranges::copy(std::string_view("ustar\00000", 8), header.begin() + 257);
  std::fill_n(header.begin() + 148, 8, ' ');
  size_t sum = 0;
  for (const char c : header) sum += static_cast<unsigned char>(c);
  std::ranges::copy(fmt::format("{:06o}", sum) + '\0', header.begin() + 148);
  std::string body = bytes;
  body.resize((bytes.size() + 511) / 512 * 512, '\0');
  return header + body;
}

std::string gzip(const std::string& in) {
  z_stream s{};
  deflateInit2(&s, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY);
  std::string out(in.size() + 1000, '\0');
  s.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(in.data()));
  s.avail_in = static_cast<uInt>(in.size());
  s.next_out = reinterpret_cast<Bytef*>(out.data());
  s.avail_out = static_cast<uInt>(out.size());
  deflate(&s, Z_FINISH);
  out.resize(s.total_out);
  deflateEnd(&s);
  return out;
}

void put(std::string& out, uint64_t value, int bytes) {
  for (int i = 0; i < bytes; i++) out += static_cast<char>(value >> (8 * i) & 0xff);
}

/// A zip of one stored file, its directory behind it.
std::string zip_of(const std::string& name, const std::string& bytes, uint64_t claimed) {
  std::string out = "PK\x03\x04";
  put(out, 20, 2);
  out += std::string(16, '\0');  // flags, method 0, time, crc
  out.resize(18, '\0');
  put(out, bytes.size(), 4);
  put(out, bytes.size(), 4);
  put(out, name.size(), 2);
  put(out, 0, 2);
  out += name + bytes;
  const size_t directory = out.size();
  std::string central = "PK\x01\x02";
  central.resize(16, '\0');
  put(central,
      crc32(0, reinterpret_cast<const Bytef*>(bytes.data()), static_cast<uInt>(bytes.size())), 4);
  put(central, claimed, 4);
  put(central, claimed, 4);
  put(central, name.size(), 2);
  central.resize(46, '\0');
  out += central + name;
  std::string end = "PK\x05\x06";
  end.resize(8, '\0');
  put(end, 1, 2);
  put(end, 1, 2);
  put(end, central.size() + name.size(), 4);
  put(end, directory, 4);
  put(end, 0, 2);
  return out + end;
}

TEST(AppPackage, ATarGzIsRead) {
  const std::string tar =
      tar_entry("package/plugin.json", "{}") + tar_entry("package/lib/", "", '5') +
      tar_entry("package/index.js", std::string(700, 'x')) +
      tar_entry("package/node_modules/a/index.js", "a") +
      tar_entry("package/logo.png", std::string("\x89PNG\0", 5)) + std::string(1024, '\0');
  const auto files = files_of_archive(gzip(tar));
  ASSERT_TRUE(files) << files.error().message;
  EXPECT_EQ(*files,
            (AppFiles{{"package/plugin.json", "{}"}, {"package/index.js", std::string(700, 'x')}}));
}

TEST(AppPackage, AZipIsRead) {
  const auto files = files_of_archive(zip_of("a/index.js", "code", 4));
  ASSERT_TRUE(files) << files.error().message;
  EXPECT_EQ(*files, (AppFiles{{"a/index.js", "code"}}));
}

TEST(AppPackage, WhatIsCutOrLiesIsRefused) {
  const std::string tar = gzip(tar_entry("index.js", std::string(5000, 'x')));
  const std::string zip = zip_of("index.js", "code", 4);
  for (size_t size = 0; size < tar.size() - 1; size++) {
    EXPECT_FALSE(files_of_archive(std::string_view(tar).substr(0, size))) << size;
  }
  for (size_t size = 0; size < zip.size(); size++) {
    EXPECT_FALSE(files_of_archive(std::string_view(zip).substr(0, size))) << size;
  }
  EXPECT_FALSE(files_of_archive(zip_of("index.js", "code", 4'000'000'000)));
  EXPECT_FALSE(
      files_of_archive(gzip(tar_entry("index.js", "x").substr(0, 500) + std::string(12, 'z'))));
  // What unpacks to more than anybody may send.
  EXPECT_FALSE(files_of_archive(gzip(std::string(64U << 20, 'a'))));
}

TEST(AppPackage, OneDamagedByteIsNoticed) {
  std::string tar = tar_entry("index.js", std::string(700, 'x'));
  tar[3] ^= 1;  // of the name
  const auto from_tar = files_of_archive(gzip(tar));
  ASSERT_FALSE(from_tar);
  EXPECT_EQ(from_tar.error().message, "the archive cannot be read: a file's header is damaged");
  std::string zip = zip_of("index.js", "code", 4);
  zip[zip.find("code") + 1] ^= 1;
  const auto from_zip = files_of_archive(zip);
  ASSERT_FALSE(from_zip);
  EXPECT_EQ(from_zip.error().message, "the archive cannot be read: a file's bytes are damaged");
}

TEST(AppPackage, Base64AndJson) {
  EXPECT_EQ(*decode_base64("aGVsbG8="), "hello");
  EXPECT_EQ(*decode_base64(""), "");
  EXPECT_FALSE(decode_base64("a b"));
  EXPECT_EQ(*files_of_json(R"({"index.js":"a\nb"})"), (AppFiles{{"index.js", "a\nb"}}));
  EXPECT_FALSE(files_of_json(R"({"index.js":1})"));
  EXPECT_FALSE(files_of_json("[]"));
}

}  // namespace
}  // namespace penstock::admin
