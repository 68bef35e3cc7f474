#include "wire/inflate.h"

#include <brotli/decode.h>
#include <libdeflate.h>
#include <zstd.h>
#include <zstd_errors.h>

#include <algorithm>
#include <cstring>

#include "wire/http.h"

namespace penstock::wire {
namespace {

constexpr size_t kGzipMin = 18;        // header and trailer of an empty member
constexpr size_t kFirstGuess = 16384;  // output when nothing believable says how much will come
constexpr size_t kUsualRatio = 8;      // of JSON under deflate
constexpr size_t kBelievedRatio = 64;  // a frame that claims more is given room step by step
constexpr char kZlibFirstByte = 0x78;

uint32_t trailer_size(std::string_view in) {
  uint32_t size = 0;
  std::memcpy(&size, in.data() + in.size() - 4, sizeof size);
  return size;
}

std::unexpected<Error> too_large() {
  return fail(Code::kExhausted, "the decompressed body is too large");
}

/// What one attempt at a whole stream came to.
struct Attempt {
  enum class Outcome : uint8_t { kDone, kNoRoom, kDamaged } outcome = Outcome::kDamaged;
  size_t used = 0, got = 0;
};

/// Repeats `once(to, room)` with twice the room until the stream fits behind the first `done` bytes
/// of `out`, or the limit is passed. Answers how much input the stream took.
template <typename Once>
Result<size_t> with_room(PaddedBuffer& out, size_t& done, size_t guess, size_t bytes_max,
                         const char* damage, Once once) {
  size_t room = std::min(std::max<size_t>(guess, 64), bytes_max - std::min(done, bytes_max) + 1);
  for (;;) {
    out.resize(done);
    out.reserve(done + room);
    const Attempt attempt = once(out.data() + done, room);
    if (attempt.outcome == Attempt::Outcome::kDone) {
      done += attempt.got;
      if (done > bytes_max) return too_large();
      out.resize(done);
      return attempt.used;
    }
    if (attempt.outcome == Attempt::Outcome::kDamaged) return fail(Code::kInvalid, damage);
    if (done + room > bytes_max) return too_large();
    room = std::min(room * 2, bytes_max - done + 1);
  }
}

Attempt attempt_of(libdeflate_result code, size_t used, size_t got) {
  if (code == LIBDEFLATE_SUCCESS) return {Attempt::Outcome::kDone, used, got};
  const bool no_room = code == LIBDEFLATE_INSUFFICIENT_SPACE;
  return {no_room ? Attempt::Outcome::kNoRoom : Attempt::Outcome::kDamaged, 0, 0};
}

/// kInvalid unless every frame is of the published format, or one to be skipped. The library also
/// reads the format's experimental forebears, in code that no client needs.
Status check_zstd_frames(std::string_view in) {
  while (!in.empty()) {
    uint32_t magic = 0;
    std::memcpy(&magic, in.data(), std::min(in.size(), sizeof magic));
    const bool skipped = (magic & ZSTD_MAGIC_SKIPPABLE_MASK) == ZSTD_MAGIC_SKIPPABLE_START;
    if (magic != ZSTD_MAGICNUMBER && !skipped) return fail(Code::kInvalid, "the body is not zstd");
    const size_t size = ZSTD_findFrameCompressedSize(in.data(), in.size());
    if (ZSTD_isError(size) != 0) {
      return fail(Code::kInvalid, "the zstd data is damaged or cut short");
    }
    in.remove_prefix(size);
  }
  return {};
}

}  // namespace

std::optional<Encoding> encoding_named(std::string_view name) {
  constexpr std::pair<std::string_view, Encoding> kNames[] = {{"gzip", Encoding::kGzip},
                                                              {"deflate", Encoding::kDeflate},
                                                              {"br", Encoding::kBrotli},
                                                              {"zstd", Encoding::kZstd}};
  for (const auto& [known, encoding] : kNames) {
    if (same_ignoring_case(name, known)) return encoding;
  }
  return std::nullopt;
}

struct Inflater::State {
  State() : deflate(libdeflate_alloc_decompressor()), zstd(ZSTD_createDCtx()) {}
  ~State() {
    libdeflate_free_decompressor(deflate);
    ZSTD_freeDCtx(zstd);
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  libdeflate_decompressor* deflate;
  ZSTD_DCtx* zstd;
};

Inflater::Inflater() : state_(std::make_unique<State>()) {}
Inflater::~Inflater() = default;

Status Inflater::inflate(Encoding encoding, std::string_view in, PaddedBuffer& out,
                         size_t bytes_max) {
  switch (encoding) {
    case Encoding::kGzip: return gunzip(in, out, bytes_max);
    case Encoding::kDeflate: return undeflate(in, out, bytes_max);
    case Encoding::kBrotli: return unbrotli(in, out, bytes_max);
    case Encoding::kZstd: return unzstd(in, out, bytes_max);
  }
  return fail(Code::kInvalid, "this encoding is not known");
}

Status Inflater::gunzip(std::string_view in, PaddedBuffer& out, size_t bytes_max) {
  size_t done = 0;  // output so far
  size_t members = 0;
  out.clear();
  while (!in.empty()) {
    if (in.size() < kGzipMin || static_cast<unsigned char>(in[0]) != 0x1f ||
        static_cast<unsigned char>(in[1]) != 0x8b) {
      // What follows the last member is padding of some clients; a first member must be there.
      if (members > 0) break;
      return fail(Code::kInvalid, "the body is not gzip");
    }
    // Deflate cannot shrink more than 1032:1, so a larger claim in the trailer is a lie.
    const size_t claimed = trailer_size(in);
    const size_t guess = claimed <= in.size() * 1032 ? claimed : kFirstGuess;
    PENSTOCK_TRY(const size_t used,
                 with_room(out, done, guess, bytes_max, "the gzip data is damaged or cut short",
                           [&](char* to, size_t room) {
                             size_t took = 0, got = 0;
                             const auto code = libdeflate_gzip_decompress_ex(
                                 state_->deflate, in.data(), in.size(), to, room, &took, &got);
                             return attempt_of(code, took, got);
                           }));
    in.remove_prefix(used);
    members++;
  }
  if (members == 0) return fail(Code::kInvalid, "the body is empty, not gzip");
  return {};
}

Status Inflater::undeflate(std::string_view in, PaddedBuffer& out, size_t bytes_max) {
  size_t done = 0;
  out.clear();
  const bool wrapped = !in.empty() && in[0] == kZlibFirstByte;
  const size_t guess = std::max({in.size() * kUsualRatio, kFirstGuess, out.capacity()});
  PENSTOCK_TRY(const size_t used,
               with_room(out, done, guess, bytes_max, "the deflate data is damaged or cut short",
                         [&](char* to, size_t room) {
                           size_t took = 0, got = 0;
                           const auto inflate_once = wrapped ? libdeflate_zlib_decompress_ex
                                                             : libdeflate_deflate_decompress_ex;
                           const auto code = inflate_once(state_->deflate, in.data(), in.size(), to,
                                                          room, &took, &got);
                           return attempt_of(code, took, got);
                         }));
  if (used != in.size()) return fail(Code::kInvalid, "something follows the deflate data");
  return {};
}

Status Inflater::unzstd(std::string_view in, PaddedBuffer& out, size_t bytes_max) {
  size_t done = 0;
  out.clear();
  if (in.empty()) return fail(Code::kInvalid, "the body is empty, not zstd");
  PENSTOCK_CHECK(check_zstd_frames(in));
  const unsigned long long claimed = ZSTD_getFrameContentSize(in.data(), in.size());
  if (claimed == ZSTD_CONTENTSIZE_ERROR) return fail(Code::kInvalid, "the body is not zstd");
  const bool unknown = claimed == ZSTD_CONTENTSIZE_UNKNOWN;
  if (!unknown && claimed > bytes_max) return too_large();
  const size_t believed = std::max(in.size() * kBelievedRatio, kFirstGuess);
  const size_t guess = unknown ? std::max({in.size() * kUsualRatio, kFirstGuess, out.capacity()})
                               : std::min<size_t>(claimed, believed);
  // The output itself is the window, so a frame cannot ask for memory beyond the limit. All frames
  // of the input are taken; what is no frame is an error.
  PENSTOCK_CHECK(with_room(
      out, done, guess, bytes_max, "the zstd data is damaged or cut short",
      [&](char* to, size_t room) -> Attempt {
        const size_t got = ZSTD_decompressDCtx(state_->zstd, to, room, in.data(), in.size());
        if (ZSTD_isError(got) == 0) return {Attempt::Outcome::kDone, in.size(), got};
        const bool no_room = ZSTD_getErrorCode(got) == ZSTD_error_dstSize_tooSmall;
        return {no_room ? Attempt::Outcome::kNoRoom : Attempt::Outcome::kDamaged, 0, 0};
      }));
  return {};
}

Status Inflater::unbrotli(std::string_view in, PaddedBuffer& out, size_t bytes_max) {
  // The library cannot start a used state anew. Its window is 16 MiB at most (the format's limit
  // without the large-window extension, which stays off).
  const std::unique_ptr<BrotliDecoderState, decltype(&BrotliDecoderDestroyInstance)> brotli(
      BrotliDecoderCreateInstance(nullptr, nullptr, nullptr), &BrotliDecoderDestroyInstance);
  if (brotli == nullptr) return fail(Code::kExhausted, "no memory for the brotli decoder");
  out.clear();
  size_t done = 0, left = in.size();
  auto* next = reinterpret_cast<const uint8_t*>(in.data());
  size_t room = std::max({in.size() * kUsualRatio, kFirstGuess, out.capacity()});
  for (;;) {
    room = std::min(room, bytes_max - done + 1);
    out.resize(done);
    out.reserve(done + room);
    auto* to = reinterpret_cast<uint8_t*>(out.data() + done);
    size_t free = room;
    const BrotliDecoderResult result =
        BrotliDecoderDecompressStream(brotli.get(), &left, &next, &free, &to, nullptr);
    done += room - free;
    if (done > bytes_max) return too_large();
    out.resize(done);
    if (result == BROTLI_DECODER_RESULT_SUCCESS) break;
    if (result != BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT) {
      return fail(Code::kInvalid, "the brotli data is damaged or cut short");
    }
    room = std::max(done, kFirstGuess);
  }
  if (left != 0) return fail(Code::kInvalid, "something follows the brotli data");
  return {};
}

}  // namespace penstock::wire
