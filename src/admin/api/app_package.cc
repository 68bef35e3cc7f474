#include "admin/api/app_package.h"

#include <fmt/format.h>
#include <zlib.h>

#include <array>
#include <charconv>
#include <cstring>

#include "event/json_fields.h"

namespace penstock::admin {
namespace {

using catalog::AppFiles;
using catalog::kAppBytesMax;
using catalog::kAppFilesMax;

/// An archive may hold what nobody reads (tests, pictures); so much is looked at.
constexpr size_t kUnpackedMax = 4 * kAppBytesMax;
constexpr size_t kEntriesMax = 10 * kAppFilesMax;

std::unexpected<Error> broken(std::string_view what) {
  return fail(Code::kInvalid, fmt::format("the archive cannot be read: {}", what));
}

/// `window_bits` as zlib has it: 31 for gzip, -15 for raw deflate.
Result<std::string> inflate_all(std::string_view in, int window_bits, size_t bytes_max) {
  z_stream stream{};
  if (inflateInit2(&stream, window_bits) != Z_OK) return broken("no memory");
  std::string out;
  std::array<char, 64U << 10> piece;
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(in.data()));
  stream.avail_in = static_cast<uInt>(in.size());
  int code = Z_OK;
  while (code == Z_OK && out.size() <= bytes_max) {
    stream.next_out = reinterpret_cast<Bytef*>(piece.data());
    stream.avail_out = piece.size();
    code = ::inflate(&stream, Z_NO_FLUSH);
    out.append(piece.data(), piece.size() - stream.avail_out);
  }
  inflateEnd(&stream);
  if (out.size() > bytes_max) return broken("it is too large");
  if (code != Z_STREAM_END) return broken("its compression is damaged");
  return out;
}

/// Binary files are of no use to an app: what is no text is left out.
bool is_text(std::string_view bytes) { return bytes.find('\0') == std::string_view::npos; }

Status keep(AppFiles& files, std::string path, std::string bytes) {
  if (path.empty() || path.ends_with('/') || !is_text(bytes)) return {};
  if (path.starts_with("./")) path.erase(0, 2);
  if (path.find("node_modules/") != std::string::npos) return {};
  if (files.size() >= kEntriesMax) return broken("it has too many files");
  files[std::move(path)] = std::move(bytes);
  return {};
}

std::string_view field(std::string_view header, size_t at, size_t size) {
  const std::string_view raw = header.substr(at, size);
  return raw.substr(0, raw.find('\0'));
}

Result<size_t> octal(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  size_t out = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out, 8);
  if (error != std::errc() || end != text.data() + text.size())
    return broken("a size is no number");
  return out;
}

Result<AppFiles> files_of_tar(std::string_view tar) {
  constexpr size_t kBlock = 512, kName = 100, kSizeAt = 124, kSize = 12, kTypeAt = 156;
  constexpr size_t kPrefixAt = 345, kPrefix = 155;
  AppFiles out;
  std::string long_name;
  while (tar.size() >= kBlock && tar[0] != '\0') {
    const std::string_view header = tar.substr(0, kBlock);
    PENSTOCK_TRY(const size_t size, octal(field(header, kSizeAt, kSize)));
    if (size > tar.size() - kBlock) return broken("a file is cut short");
    const std::string_view bytes = tar.substr(kBlock, size);
    const char type = header[kTypeAt];
    std::string name(field(header, 0, kName));
    if (const std::string_view prefix = field(header, kPrefixAt, kPrefix);
        !prefix.empty() && header.substr(257, 5) == "ustar" && header[263] == '0') {
      name = fmt::format("{}/{}", prefix, name);
    }
    if (type == 'L') {
      long_name = std::string(bytes.substr(0, bytes.find('\0')));
    } else if (type == '0' || type == '\0') {
      PENSTOCK_CHECK(keep(out, long_name.empty() ? name : long_name, std::string(bytes)));
      long_name.clear();
    }
    const size_t padded = (size + kBlock - 1) / kBlock * kBlock;
    tar.remove_prefix(std::min(tar.size(), kBlock + padded));
  }
  return out;
}

uint32_t little(std::string_view bytes, size_t at, size_t size) {
  uint32_t out = 0;
  for (size_t i = 0; i < size; i++) {
    out |= static_cast<uint32_t>(static_cast<unsigned char>(bytes[at + i])) << (8 * i);
  }
  return out;
}

Result<std::string> zip_entry(std::string_view zip, size_t at, uint32_t method, size_t packed,
                              size_t size) {
  constexpr size_t kLocal = 30;
  if (at > zip.size() || zip.size() - at < kLocal) return broken("a file lies outside");
  const size_t begin = at + kLocal + little(zip, at + 26, 2) + little(zip, at + 28, 2);
  if (begin > zip.size() || packed > zip.size() - begin) return broken("a file is cut short");
  const std::string_view bytes = zip.substr(begin, packed);
  if (method == 0) return std::string(bytes);
  if (method != 8) return broken("it is compressed in a way that is not known here");
  PENSTOCK_TRY(std::string out, inflate_all(bytes, -15, kUnpackedMax));
  if (out.size() != size) return broken("a file's size is not what it says");
  return out;
}

Result<AppFiles> files_of_zip(std::string_view zip) {
  constexpr size_t kEnd = 22, kCentral = 46;
  const size_t end = zip.rfind("PK\x05\x06");
  if (end == std::string_view::npos || zip.size() - end < kEnd)
    return broken("it has no directory");
  const uint32_t count = little(zip, end + 10, 2);
  size_t at = little(zip, end + 16, 4), total = 0;
  if (count > kEntriesMax) return broken("it has too many files");
  AppFiles out;
  for (uint32_t i = 0; i < count; i++) {
    if (at > zip.size() || zip.size() - at < kCentral) return broken("its directory is cut short");
    const uint32_t method = little(zip, at + 10, 2);
    const size_t packed = little(zip, at + 20, 4), size = little(zip, at + 24, 4);
    const size_t name = little(zip, at + 28, 2);
    const size_t rest = little(zip, at + 30, 2) + little(zip, at + 32, 2);
    if (zip.size() - at - kCentral < name) return broken("its directory is cut short");
    std::string path(zip.substr(at + kCentral, name));
    if ((total += size) > kUnpackedMax) return broken("it is too large");
    PENSTOCK_TRY(std::string bytes, zip_entry(zip, little(zip, at + 42, 4), method, packed, size));
    PENSTOCK_CHECK(keep(out, std::move(path), std::move(bytes)));
    at += kCentral + name + rest;
  }
  return out;
}

}  // namespace

Result<AppFiles> files_of_json(std::string_view object) {
  if (event::json_type(object) != event::JsonType::kObject) {
    return fail(Code::kInvalid, "'files' is an object of paths and texts");
  }
  PENSTOCK_TRY(const auto members, event::JsonFields::parse(object));
  AppFiles out;
  for (const auto& m : members.fields()) {
    if (event::json_type(m.value) != event::JsonType::kString) {
      return fail(Code::kInvalid, fmt::format("the file '{}' is no text", m.key));
    }
    PENSTOCK_CHECK(keep(out, std::string(m.key), event::decode_string(m.value)));
  }
  return out;
}

Result<AppFiles> files_of_archive(std::string_view bytes) {
  if (bytes.starts_with("PK")) return files_of_zip(bytes);
  if (bytes.starts_with("\x1f\x8b")) {
    PENSTOCK_TRY(const std::string tar, inflate_all(bytes, 31, kUnpackedMax));
    return files_of_tar(tar);
  }
  return broken("it is neither a zip nor a tar.gz");
}

Result<std::string> decode_base64(std::string_view text) {
  std::string out;
  uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    uint32_t value = 0;
    if (c >= 'A' && c <= 'Z') {
      value = static_cast<uint32_t>(c - 'A');
    } else if (c >= 'a' && c <= 'z') {
      value = static_cast<uint32_t>(c - 'a' + 26);
    } else if (c >= '0' && c <= '9') {
      value = static_cast<uint32_t>(c - '0' + 52);
    } else if (c == '+' || c == '-') {
      value = 62;
    } else if (c == '/' || c == '_') {
      value = 63;
    } else if (c == '=' || c == '\n' || c == '\r') {
      continue;
    } else {
      return fail(Code::kInvalid, "this is not Base64");
    }
    bits = bits << 6 | value;
    if ((count += 6) >= 8) out += static_cast<char>(bits >> (count -= 8) & 0xff);
  }
  return out;
}

}  // namespace penstock::admin
