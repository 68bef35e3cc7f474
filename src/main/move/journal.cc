#include "main/move/journal.h"

#include <algorithm>
#include <charconv>

namespace penstock::cli::move {
namespace {

constexpr std::string_view kHead = "penstock move 1";
constexpr size_t kBytesMax = 1U << 20;

uint64_t number(std::string_view text) {
  uint64_t out = 0;
  std::from_chars(text.data(), text.data() + text.size(), out);
  return out;
}

constexpr char kDigits[] = "0123456789abcdef";

std::string hex(std::string_view bytes) {
  std::string out;
  for (const char c : bytes) {
    out += kDigits[static_cast<uint8_t>(c) >> 4];
    out += kDigits[static_cast<uint8_t>(c) & 15];
  }
  return out;
}

Result<std::string> unhex(std::string_view text) {
  std::string out;
  for (size_t i = 0; i + 1 < text.size(); i += 2) {
    unsigned byte = 0;
    const auto [end, error] = std::from_chars(text.data() + i, text.data() + i + 2, byte, 16);
    if (error != std::errc() || end != text.data() + i + 2) {
      return fail(Code::kCorrupt, "a cursor is not in hexadecimal");
    }
    out.push_back(static_cast<char>(byte));
  }
  return out;
}

Status read_line(std::string_view name, std::string_view value, PartNote& out) {
  if (name == "from") out.from = value;
  if (name == "to") out.to = value;
  if (name == "target") out.target = value;
  if (name == "copied") out.copied = value == "yes";
  if (name == "done") out.done = value == "yes";
  if (name == "digest") out.digest = value;
  if (name == "items") out.items = number(value);
  if (name == "bytes") out.bytes = number(value);
  if (name == "source") {
    PENSTOCK_TRY(out.source, unhex(value));
  }
  if (name == "cursor") {
    PENSTOCK_TRY(out.cursor, unhex(value));
  }
  return {};
}

}  // namespace

Result<Journal> Journal::open(runtime::FileSystem& files, const std::string& path) {
  Journal out;
  out.files_ = &files;
  out.path_ = path;
  out.exists_ = files.exists(path);
  if (!out.exists_) return out;
  PENSTOCK_TRY(const std::string text, runtime::read_file(files, path, kBytesMax));
  std::string_view rest = text;
  bool head = true;
  while (!rest.empty()) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (std::exchange(head, false)) {
      if (line != kHead) return fail(Code::kCorrupt, path + " is not a move's journal");
      continue;
    }
    const size_t blank = std::min(line.find(' '), line.size());
    const std::string_view name = line.substr(0, blank);
    const std::string_view value = line.substr(std::min(blank + 1, line.size()));
    if (name == "id") {
      out.id_ = value;
    } else if (name == "part") {
      out.parts_.push_back({.name = std::string(value)});
    } else if (!out.parts_.empty()) {
      PENSTOCK_CHECK(read_line(name, value, out.parts_.back()));
    }
  }
  return out;
}

PartNote* Journal::find(const std::string& part) {
  const auto it = std::ranges::find(parts_, part, &PartNote::name);
  return it == parts_.end() ? nullptr : &*it;
}

PartNote& Journal::add(PartNote note) { return parts_.emplace_back(std::move(note)); }

Status Journal::save() {
  std::string text = std::string(kHead) + "\nid " + id_ + "\n";
  for (const PartNote& p : parts_) {
    text += "part " + p.name + "\nfrom " + p.from + "\nto " + p.to + "\ntarget " + p.target +
            "\nsource " + hex(p.source) + "\ncopied " + (p.copied ? "yes" : "no") + "\ndone " +
            (p.done ? "yes" : "no") + "\nitems " + std::to_string(p.items) + "\nbytes " +
            std::to_string(p.bytes) + "\ndigest " + p.digest + "\ncursor " + hex(p.cursor) + "\n";
  }
  PENSTOCK_CHECK(runtime::write_file_atomic(*files_, path_, text));
  exists_ = true;
  return {};
}

Status Journal::remove() {
  if (!exists_) return {};
  exists_ = false;
  return files_->remove(path_);
}

}  // namespace penstock::cli::move
