// The bytes of headers and blocks: what was built is parsed, and no damaged byte goes unnoticed.
#include "log/embedded/format.h"
#include "log/record_codec.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>

namespace penstock::log {
namespace {

SegmentHeader some_header() {
  SegmentHeader h;
  h.epoch = 0x1234567890abcdef;
  h.first_block = 17;
  h.previous = 9;
  h.valid_before = 16;
  h.created_ms = 1'760'000'000'000;
  h.base = {1, 0, 1'000'000'000'000};
  h.producers.set({0, 7}, {42, 16});
  h.producers.set({2, 8}, {-1, 3});
  return h;
}

TEST(LogFormat, a_segment_header_comes_back) {
  const std::string bytes = encode_segment_header(some_header());
  ASSERT_EQ(bytes.size(), kSegmentHeaderBytes);
  const auto h = decode_segment_header(bytes);
  ASSERT_TRUE(h);
  EXPECT_EQ(h->epoch, some_header().epoch);
  EXPECT_EQ(h->first_block, 17U);
  EXPECT_EQ(h->previous, 9U);
  EXPECT_EQ(h->valid_before, 16U);
  EXPECT_EQ(h->created_ms, 1'760'000'000'000);
  EXPECT_EQ(h->base, some_header().base);
  EXPECT_EQ(h->producers.last({0, 7}), 42);
  EXPECT_EQ(h->producers.states().at({0, 7}).block, 16U);
}

TEST(LogFormat, the_fullest_segment_header_has_room) {
  SegmentHeader h = some_header();
  h.base.assign(kPartitionsMax, INT64_MAX);
  for (uint64_t i = 0; i < 2 * kProducersMax; i++) h.producers.set({0, i}, {1, i});
  EXPECT_EQ(h.producers.states().size(), kProducersMax);
  EXPECT_EQ(h.producers.last({0, 0}), -1);  // used longest ago, forgotten
  EXPECT_EQ(h.producers.last({0, 2 * kProducersMax - 1}), 1);
  EXPECT_TRUE(decode_segment_header(encode_segment_header(h)));
}

TEST(LogFormat, one_copy_of_the_segment_header_is_enough) {
  std::string bytes = encode_segment_header(some_header());
  bytes[20] ^= 1;
  ASSERT_TRUE(decode_segment_header(bytes));
  EXPECT_EQ(decode_segment_header(bytes)->first_block, 17U);
  bytes[kHeaderCopyBytes + 20] ^= 1;
  EXPECT_FALSE(decode_segment_header(bytes));
  EXPECT_FALSE(decode_segment_header(std::string(kSegmentHeaderBytes, '\0')));
  EXPECT_FALSE(decode_segment_header(""));
}

class LogBlock : public testing::Test {
 protected:
  LogBlock() {
    header.epoch = 5;
    header.number = 77;
    header.time_ms = 99;
    subs = {{{1}, 2, {10}, 3, 4, first}, {{0}, 1, {0}, 0, 0, second}};
    size = build_block(buffer, header, subs);
  }
  std::string_view bytes() const { return {buffer.data(), size}; }

  std::string first = "some bytes", second = std::string(9000, 'z');
  BlockHeader header;
  std::vector<SubBatch> subs;
  AlignedBuffer buffer;
  size_t size = 0;
};

TEST_F(LogBlock, comes_back) {
  EXPECT_EQ(size, 3 * kPage);
  const auto h = peek_block(bytes());
  ASSERT_TRUE(h);
  EXPECT_EQ(h->epoch, 5U);
  EXPECT_EQ(h->number, 77U);
  EXPECT_EQ(h->time_ms, 99);
  EXPECT_EQ(h->padded(), size);
  const auto parsed = parse_block(bytes(), *h, 2);
  ASSERT_TRUE(parsed);
  ASSERT_EQ(parsed->size(), 2U);
  EXPECT_EQ((*parsed)[0].partition.value, 1);
  EXPECT_EQ((*parsed)[0].count, 2U);
  EXPECT_EQ((*parsed)[0].base.value, 10);
  EXPECT_EQ((*parsed)[0].producer, 3U);
  EXPECT_EQ((*parsed)[0].sequence, 4);
  EXPECT_EQ((*parsed)[0].data, first);
  EXPECT_EQ((*parsed)[1].data, second);
}

TEST_F(LogBlock, a_partition_the_topic_does_not_have_is_refused) {
  EXPECT_FALSE(parse_block(bytes(), *peek_block(bytes()), 1));
}

TEST_F(LogBlock, every_flipped_bit_is_noticed) {
  const size_t used = peek_block(bytes())->bytes;
  for (size_t bit = 0; bit < used * 8; bit += bit < 1200 ? 1 : 97) {
    std::string damaged(bytes());
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
    const auto h = peek_block(damaged);
    EXPECT_FALSE(h && parse_block(damaged, *h, 2)) << "bit " << bit;
  }
}

TEST_F(LogBlock, a_shortened_block_is_refused) {
  for (const size_t n : {0U, 1U, 47U, 48U, 127U, 128U, 4096U, 9000U}) {
    const auto h = peek_block(bytes().substr(0, n));
    EXPECT_FALSE(h && parse_block(bytes().substr(0, n), *h, 2)) << n;
  }
}

/// Bytes with a right checksum but no sense: what a fuzzer would find.
TEST_F(LogBlock, random_bytes_do_no_harm) {
  std::mt19937_64 random(4);
  for (int i = 0; i < 20'000; i++) {
    std::string damaged(bytes().substr(0, 4096));
    for (int j = 0; j < 4; j++) damaged[random() % 128] = static_cast<char>(random());
    const uint32_t claimed = 48 + static_cast<uint32_t>(random() % 4048);
    std::memcpy(damaged.data() + 8, &claimed, sizeof claimed);
    auto h = peek_block(damaged);
    if (!h) continue;
    const uint32_t crc = block_checksum(std::string_view(damaged).substr(0, h->bytes));
    std::memcpy(damaged.data() + 4, &crc, sizeof crc);
    if (const auto parsed = parse_block(damaged, *h, 2)) {
      for (const SubBatch& s : *parsed) EXPECT_LE(s.data.size(), damaged.size());
    }
  }
}

TEST(RecordCodec, EndsTellWhatReadingTells) {
  for (const size_t size :
       {0U, 1U, 126U, 127U, 128U, 129U, 16382U, 16383U, 16384U, 2097151U, 2097152U}) {
    std::string data;
    std::vector<uint32_t> ends;
    for (const size_t n : {size, size_t{3}, size}) {
      encode_record(data, std::string(n, 'x'));
      ends.push_back(static_cast<uint32_t>(data.size()));
    }
    std::vector<std::string_view> read, told;
    ASSERT_TRUE(split_records(data, 3, read));
    ASSERT_TRUE(split_records_at(data, ends, told));
    for (size_t i = 0; i < 3; i++) {
      EXPECT_EQ(read[i].data(), told[i].data()) << size;
      EXPECT_EQ(read[i].size(), told[i].size()) << size;
    }
  }
}

TEST(RecordCodec, ARecordOfUnknownSizeIsWrittenAsOneOfKnownSize) {
  for (const size_t size :
       {0U, 1U, 126U, 127U, 128U, 129U, 16382U, 16383U, 16384U, 2097151U, 2097152U}) {
    const std::string record(size, 'x');
    std::string known = "before", learned = known;
    encode_record(known, record);
    const size_t opened = open_record(learned);
    learned += record;
    EXPECT_EQ(close_record(learned, opened), known.size() - size);
    EXPECT_TRUE(learned == known) << size;
  }
}

TEST(RecordCodec, EndsThatDoNotFitAreRefused) {
  std::string data;
  encode_record(data, "one");
  encode_record(data, "two");
  std::vector<std::string_view> out;
  EXPECT_FALSE(split_records_at(data, {4}, out));
  EXPECT_FALSE(split_records_at(data, {4, 4}, out));
  EXPECT_FALSE(split_records_at(data, {4, 9}, out));
  EXPECT_FALSE(split_records_at(data, {8, 4}, out));
}

}  // namespace
}  // namespace penstock::log
