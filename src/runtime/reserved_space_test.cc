// ReservedSpace on a disk that fills up: given up in time, taken again, never in the way.
#include "runtime/reserved_space.h"

#include <gtest/gtest.h>

#include "runtime/sim_runtime.h"

namespace penstock::runtime {
namespace {

constexpr uint64_t kMiB = 1 << 20;

class ReservedSpaceTest : public testing::Test {
 protected:
  ReservedSpaceTest() {
    disk.set_faults({.capacity_bytes = 10 * kMiB});
    EXPECT_TRUE(disk.create_directories("/data"));
  }
  ReservedSpace make() {
    return ReservedSpace(
        disk, {.path = "/data/reserve", .bytes = 2 * kMiB, .floor = kMiB, .headroom = 4 * kMiB});
  }
  /// Others write until so much is free.
  void fill(uint64_t free) {
    const uint64_t now = *disk.free_bytes("/data");
    ASSERT_GE(now, free);
    auto file = disk.open("/data/others", {.create = true});
    const uint64_t size = *(*file)->size();
    ASSERT_TRUE((*file)->pwrite(std::string(now - free, 'x'), size));
  }
  SimDisk disk{1};
};

TEST_F(ReservedSpaceTest, is_taken_with_headroom_and_given_up_below_the_floor) {
  ReservedSpace reserved = make();
  EXPECT_FALSE(reserved.held());
  reserved.look();
  EXPECT_TRUE(reserved.held());
  EXPECT_EQ(*disk.free_bytes("/data"), 8 * kMiB);
  fill(kMiB);
  reserved.look();
  EXPECT_TRUE(reserved.held());
  fill(kMiB / 2);
  reserved.look();
  EXPECT_FALSE(reserved.held());
  EXPECT_GE(*disk.free_bytes("/data"), 2 * kMiB);
  reserved.look();  // not taken back from those who need it
  EXPECT_FALSE(reserved.held());
  ASSERT_TRUE(disk.remove("/data/others"));
  reserved.look();
  EXPECT_TRUE(reserved.held());
}

TEST_F(ReservedSpaceTest, a_write_gets_the_reserve_when_it_needs_it_and_then_no_more) {
  ReservedSpace reserved = make();
  reserved.look();
  fill(0);
  EXPECT_TRUE(reserved.room(kMiB / 2));
  EXPECT_FALSE(reserved.held());
  EXPECT_EQ(reserved.room(2 * kMiB).error().code, Code::kExhausted);
}

TEST_F(ReservedSpaceTest, a_start_on_a_full_disk_gives_up_what_the_last_life_reserved) {
  make().look();
  fill(0);
  ReservedSpace next = make();
  EXPECT_TRUE(next.held());
  next.look();
  EXPECT_FALSE(next.held());
}

TEST_F(ReservedSpaceTest, without_room_for_it_nothing_is_reserved) {
  fill(3 * kMiB);
  ReservedSpace reserved = make();
  reserved.look();
  EXPECT_FALSE(reserved.held());
  EXPECT_FALSE(disk.exists("/data/reserve"));
  EXPECT_TRUE(reserved.room(kMiB));
}

}  // namespace
}  // namespace penstock::runtime
