#include "admin/api/app_package.h"

#include <fmt/format.h>
#include <zlib.h>

#include <array>
#include <charconv>
#include <cstring>

#include "base/base64.h"
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

/// A header's bytes add up to what it says, its own field counted as blanks.
bool checksum_fits(std::string_view header) {
  constexpr size_t kSumAt = 148, kSum = 8;
  size_t sum = 0;
  for (size_t i = 0; i < header.size(); i++) {
    const bool own = i >= kSumAt && i < kSumAt + kSum;
    sum += own ? ' ' : static_cast<unsigned char>(header[i]);
  }
  const auto said = octal(field(header, kSumAt, kSum));
  return said && *said == sum;
}

Result<AppFiles> files_of_tar(std::string_view tar) {
  constexpr size_t kBlock = 512, kName = 100, kSizeAt = 124, kSize = 12, kTypeAt = 156;
  constexpr size_t kPrefixAt = 345, kPrefix = 155;
  AppFiles out;
  std::string long_name;
  while (tar.size() >= kBlock && tar[0] != '\0') {
    const std::string_view header = tar.substr(0, kBlock);
    if (!checksum_fits(header)) return broken("a file's header is damaged");
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

struct ZipEntry {
  size_t at = 0, packed = 0, size = 0;
  uint32_t method = 0, crc = 0;
};

Result<std::string> zip_bytes(std::string_view zip, const ZipEntry& entry) {
  constexpr size_t kLocal = 30;
  const size_t at = entry.at;
  if (at > zip.size() || zip.size() - at < kLocal) return broken("a file lies outside");
  const size_t begin = at + kLocal + little(zip, at + 26, 2) + little(zip, at + 28, 2);
  if (begin > zip.size() || entry.packed > zip.size() - begin) {
    return broken("a file is cut short");
  }
  const std::string_view bytes = zip.substr(begin, entry.packed);
  if (entry.method == 0) return std::string(bytes);
  if (entry.method != 8) return broken("it is compressed in a way that is not known here");
  return inflate_all(bytes, -15, kUnpackedMax);
}

Result<std::string> zip_entry(std::string_view zip, const ZipEntry& entry) {
  PENSTOCK_TRY(std::string out, zip_bytes(zip, entry));
  if (out.size() != entry.size) return broken("a file's size is not what it says");
  const auto* bytes = reinterpret_cast<const Bytef*>(out.data());
  if (crc32(0, bytes, static_cast<uInt>(out.size())) != entry.crc) {
    return broken("a file's bytes are damaged");
  }
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
    const ZipEntry entry = {.at = little(zip, at + 42, 4),
                            .packed = little(zip, at + 20, 4),
                            .size = little(zip, at + 24, 4),
                            .method = little(zip, at + 10, 2),
                            .crc = little(zip, at + 16, 4)};
    const size_t name = little(zip, at + 28, 2);
    const size_t rest = little(zip, at + 30, 2) + little(zip, at + 32, 2);
    if (zip.size() - at - kCentral < name) return broken("its directory is cut short");
    std::string path(zip.substr(at + kCentral, name));
    if ((total += entry.size) > kUnpackedMax) return broken("it is too large");
    PENSTOCK_TRY(std::string bytes, zip_entry(zip, entry));
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
  if (auto out = exact_unbase64(text)) return std::move(*out);
  return fail(Code::kInvalid, "this is not Base64");
}

}  // namespace penstock::admin
