// Goal: places in a room never overlap, are used again, and hold what was written for the reader.
#include "apps/script/room.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <map>
#include <random>

namespace penstock::apps {
namespace {

TEST(Room, PlacesAreApartAndUsedAgain) {
  auto room = Room::make();
  ASSERT_TRUE(room);
  std::mt19937 dice(1);
  std::map<size_t, size_t> mine;
  for (int i = 0; i < 20'000; i++) {
    if (!mine.empty() && dice() % 2 == 0) {
      const auto one = std::next(mine.begin(), dice() % mine.size());
      room->give_back(one->first);
      mine.erase(one);
      continue;
    }
    const size_t bytes = 1 + dice() % (Room::kBytes / 16);
    const auto at = room->take(bytes);
    if (!at) continue;
    ASSERT_LE(*at + bytes, Room::kBytes);
    const auto behind = mine.lower_bound(*at);
    if (behind != mine.end()) {
      ASSERT_LE(*at + bytes, behind->first);
    }
    if (behind != mine.begin()) {
      const auto before = std::prev(behind);
      ASSERT_LE(before->first + before->second, *at);
    }
    mine[*at] = bytes;
  }
  for (const auto& [at, bytes] : mine) room->give_back(at);
  EXPECT_EQ(room->take(Room::kBytes), 0U) << "all of it is free again";
  EXPECT_FALSE(room->take(1));
}

TEST(Room, MoreThanThereIsIsRefused) {
  auto room = Room::make();
  ASSERT_TRUE(room);
  EXPECT_FALSE(room->take(Room::kBytes + 1));
  EXPECT_FALSE(room->take(SIZE_MAX - 10));
  EXPECT_FALSE(room->take(0));
  EXPECT_EQ(room->text(Room::kBytes - 1, 2), "");
  EXPECT_EQ(room->text(SIZE_MAX, 2), "");
  EXPECT_EQ(room->text(2, SIZE_MAX), "");
}

TEST(Room, TheReaderSeesItAndCannotWriteIt) {
  auto room = Room::make();
  ASSERT_TRUE(room);
  auto reader = Room::open(::dup(room->fd()));
  ASSERT_TRUE(reader);
  const auto at = room->take(5);
  ASSERT_TRUE(at);
  std::memcpy(room->memory(*at), "hello", 5);
  EXPECT_EQ(reader->text(*at, 5), "hello");
  void* write = ::mmap(nullptr, Room::kBytes, PROT_READ | PROT_WRITE, MAP_SHARED, room->fd(), 0);
  EXPECT_EQ(write, MAP_FAILED) << "it can be mapped for writing";
  EXPECT_NE(::ftruncate(room->fd(), 0), 0) << "it can be made smaller below its reader";
}

}  // namespace
}  // namespace penstock::apps
