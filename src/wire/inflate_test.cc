// Goal: every encoding decompresses exactly what its library compressed, refuses what is damaged,
// cut short or followed by something else, and holds its limit while inflating. Gzip's own tests
// stand in wire_test.cc.
#include "wire/inflate.h"

#include <brotli/encode.h>
#include <gtest/gtest.h>
#include <libdeflate.h>
#include <zstd.h>

#include <functional>
#include <random>

namespace penstock::wire {
namespace {

using Compress = size_t (*)(libdeflate_compressor*, const void*, size_t, void*, size_t);

std::string deflated(Compress compress, std::string_view text) {
  auto* c = libdeflate_alloc_compressor(6);
  std::string out(libdeflate_gzip_compress_bound(c, text.size()), '\0');
  out.resize(compress(c, text.data(), text.size(), out.data(), out.size()));
  libdeflate_free_compressor(c);
  return out;
}

std::string gzip(std::string_view text) { return deflated(libdeflate_gzip_compress, text); }
std::string zlib(std::string_view text) { return deflated(libdeflate_zlib_compress, text); }
std::string raw_deflate(std::string_view text) {
  return deflated(libdeflate_deflate_compress, text);
}

std::string brotli(std::string_view text) {
  std::string out(BrotliEncoderMaxCompressedSize(text.size()) + 64, '\0');
  size_t size = out.size();
  EXPECT_TRUE(BrotliEncoderCompress(5, 22, BROTLI_MODE_TEXT, text.size(),
                                    reinterpret_cast<const uint8_t*>(text.data()), &size,
                                    reinterpret_cast<uint8_t*>(out.data())));
  out.resize(size);
  return out;
}

std::string zstd(std::string_view text) {
  std::string out(ZSTD_compressBound(text.size()), '\0');
  out.resize(ZSTD_compress(out.data(), out.size(), text.data(), text.size(), 3));
  return out;
}

/// As a client that streams does: without the content's size in the frame, with a checksum.
std::string zstd_stream(std::string_view text) {
  ZSTD_CCtx* c = ZSTD_createCCtx();
  ZSTD_CCtx_setParameter(c, ZSTD_c_checksumFlag, 1);
  ZSTD_CCtx_setParameter(c, ZSTD_c_contentSizeFlag, 0);
  std::string out(ZSTD_compressBound(text.size()) + 64, '\0');
  out.resize(ZSTD_compress2(c, out.data(), out.size(), text.data(), text.size()));
  ZSTD_freeCCtx(c);
  return out;
}

struct Case {
  const char* name;
  Encoding encoding;
  std::function<std::string(std::string_view)> compress;
};

class Inflate : public testing::TestWithParam<Case> {
 protected:
  Status run(std::string_view in, size_t bytes_max) {
    return inflater_.inflate(GetParam().encoding, in, out_, bytes_max);
  }
  Code code(std::string_view in, size_t bytes_max) {
    const Status done = run(in, bytes_max);
    EXPECT_FALSE(done);
    return done ? Code::kBug : done.error().code;
  }
  Inflater inflater_;
  PaddedBuffer out_;
};

std::string some_json(size_t bytes) {
  std::mt19937 random(5);
  std::string text = "[";
  while (text.size() < bytes) {
    text += R"({"event":"$pageview","distinct_id":")" + std::to_string(random()) + "\"},";
  }
  return text + "{}]";
}

TEST_P(Inflate, gives_back_what_was_compressed) {
  for (const size_t bytes : {0U, 1U, 100U, 70'000U, 3'000'000U}) {
    const std::string text = bytes < 10 ? std::string(bytes, 'x') : some_json(bytes);
    ASSERT_TRUE(run(GetParam().compress(text), text.size())) << bytes;
    EXPECT_EQ(out_.view(), text);
    EXPECT_EQ(out_.data()[out_.size()], '\0');
  }
}

TEST_P(Inflate, holds_its_limit_to_the_byte) {
  const std::string text = some_json(20'000), packed = GetParam().compress(text);
  ASSERT_TRUE(run(packed, text.size()));
  EXPECT_EQ(code(packed, text.size() - 1), Code::kExhausted);
  EXPECT_EQ(code(packed, 1), Code::kExhausted);
  EXPECT_EQ(code(packed, 0), Code::kExhausted);
  ASSERT_TRUE(run(GetParam().compress(""), 0));
}

TEST_P(Inflate, a_bomb_costs_no_more_than_its_limit) {
  const std::string bomb = GetParam().compress(std::string(64U << 20, 'x'));
  EXPECT_LT(bomb.size(), 100'000U);
  EXPECT_EQ(code(bomb, 1U << 20), Code::kExhausted);
  EXPECT_LE(out_.capacity(), 4U << 20);
  ASSERT_TRUE(run(GetParam().compress("after"), 100));
  EXPECT_EQ(out_.view(), "after");
}

TEST_P(Inflate, what_is_cut_short_is_invalid_at_every_byte) {
  const std::string whole = GetParam().compress(some_json(900));
  for (size_t n = 0; n < whole.size(); n++) {
    EXPECT_EQ(code(whole.substr(0, n), 10'000), Code::kInvalid) << n;
  }
}

TEST_P(Inflate, what_follows_is_invalid_but_for_gzips_padding) {
  const std::string whole = GetParam().compress(some_json(900));
  for (const std::string_view more : {std::string_view("\0", 1), std::string_view("trailing")}) {
    const Status done = run(whole + std::string(more), 10'000);
    if (GetParam().encoding == Encoding::kGzip) {
      EXPECT_TRUE(done);
    } else {
      ASSERT_FALSE(done);
      EXPECT_EQ(done.error().code, Code::kInvalid);
    }
  }
}

TEST_P(Inflate, flipped_bits_never_hurt) {
  const std::string whole = GetParam().compress(some_json(900));
  std::mt19937 random(11);
  for (int i = 0; i < 5'000; i++) {
    std::string damaged = whole;
    damaged[random() % damaged.size()] ^= static_cast<char>(1 << (random() % 8));
    if (run(damaged, 10'000)) {
      EXPECT_LE(out_.size(), 10'000U);
    }
    EXPECT_LE(out_.capacity(), 40'000U);
  }
}

TEST(Zstd, TakesNoFramesOfTheFormatsForebears) {
  // A whole frame of zstd 0.5: its header, a block that is "hello" as it is, the end.
  const std::string old("\x25\xb5\x2f\xfd\x09\x40\x00\x05hello\xc0\x00\x00", 16);
  Inflater inflater;
  PaddedBuffer out;
  for (const std::string& body : {old, zstd("new") + old, old + zstd("new")}) {
    const Status done = inflater.inflate(Encoding::kZstd, body, out, 100);
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().code, Code::kInvalid);
  }
  ASSERT_TRUE(inflater.inflate(Encoding::kZstd, zstd("new") + zstd("er"), out, 100));
  EXPECT_EQ(out.view(), "newer");
}

INSTANTIATE_TEST_SUITE_P(Encodings, Inflate,
                         testing::Values(Case{"gzip", Encoding::kGzip, gzip},
                                         Case{"zlib", Encoding::kDeflate, zlib},
                                         Case{"raw_deflate", Encoding::kDeflate, raw_deflate},
                                         Case{"brotli", Encoding::kBrotli, brotli},
                                         Case{"zstd", Encoding::kZstd, zstd},
                                         Case{"zstd_stream", Encoding::kZstd, zstd_stream}),
                         [](const auto& named) { return std::string(named.param.name); });

TEST(Zstd, several_frames_are_one_text_and_a_lie_about_the_size_costs_nothing) {
  Inflater inflater;
  PaddedBuffer out;
  ASSERT_TRUE(inflater.inflate(Encoding::kZstd, zstd("one, ") + zstd_stream("two"), out, 100));
  EXPECT_EQ(out.view(), "one, two");
  // A frame that claims 64 MiB and holds one byte: magic, 4-byte size field, raw last block.
  const std::string liar("\x28\xb5\x2f\xfd\xa0\x00\x00\x00\x04\x09\x00\x00x", 13);
  EXPECT_EQ(inflater.inflate(Encoding::kZstd, liar, out, 100U << 20).error().code, Code::kInvalid);
  EXPECT_LE(out.capacity(), 64U << 10);
  EXPECT_EQ(inflater.inflate(Encoding::kZstd, liar, out, 1U << 20).error().code, Code::kExhausted);
}

TEST(EncodingNamed, in_any_case_and_nothing_else) {
  EXPECT_EQ(encoding_named("gzip"), Encoding::kGzip);
  EXPECT_EQ(encoding_named("Deflate"), Encoding::kDeflate);
  EXPECT_EQ(encoding_named("BR"), Encoding::kBrotli);
  EXPECT_EQ(encoding_named("zstd"), Encoding::kZstd);
  for (const char* other : {"", "identity", "gzip, br", "gzip-js", "compress", "z"}) {
    EXPECT_FALSE(encoding_named(other)) << other;
  }
}

}  // namespace
}  // namespace penstock::wire
