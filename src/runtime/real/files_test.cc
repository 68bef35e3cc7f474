// The disk behind FileSystem, in a temporary folder: bytes, names, errors that say what and where.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>

#include "runtime/lock_file.h"
#include "runtime/real_runtime.h"

namespace penstock::runtime {
namespace {

class RealFiles : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "penstock-files-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    root = name;
  }
  void TearDown() override { std::filesystem::remove_all(root); }

  std::string path(const std::string& name) const { return root + "/" + name; }

  std::unique_ptr<Runtime> runtime = make_real_runtime();
  FileSystem& files = runtime->files();
  std::string root;
};

TEST_F(RealFiles, writes_reads_cuts_and_reserves) {
  const auto made = files.open(path("f"), {.create = true});
  ASSERT_TRUE(made);
  File& file = **made;
  ASSERT_TRUE(file.pwrite("hello", 10));
  ASSERT_TRUE(file.sync());
  EXPECT_EQ(*file.size(), 15U);
  std::string out(100, 'x');
  EXPECT_EQ(*file.pread(out, 8), 7U);
  EXPECT_EQ(out.substr(0, 7), std::string("\0\0hello", 7));
  EXPECT_EQ(*file.pread(out, 15), 0U);
  ASSERT_TRUE(file.allocate(8192));
  EXPECT_EQ(*file.size(), 8192U);
  ASSERT_TRUE(file.truncate(12));
  EXPECT_EQ(*file.size(), 12U);
  EXPECT_GT(*files.free_bytes(root), 0U);
}

TEST_F(RealFiles, direct_files_work_whatever_the_file_system_supports) {
  const auto file = files.open(path("direct"), {.create = true, .direct = true});
  ASSERT_TRUE(file) << file.error().message;
  alignas(4096) static std::array<char, 8192> memory{};
  memory[5000] = 'd';
  ASSERT_TRUE((*file)->pwrite({memory.data(), memory.size()}, 4096));
  ASSERT_TRUE((*file)->sync());
  memory[5000] = 0;
  EXPECT_EQ(*(*file)->pread({memory.data(), memory.size()}, 4096), 8192U);
  EXPECT_EQ(memory[5000], 'd');
}

TEST_F(RealFiles, directories_names_and_renames) {
  ASSERT_TRUE(files.create_directories(path("a/b/c")));
  ASSERT_TRUE(files.create_directories(path("a/b/c/")));
  for (const char* name : {"a/z", "a/m"}) ASSERT_TRUE(files.open(path(name), {.create = true}));
  EXPECT_THAT(*files.list(path("a")), testing::ElementsAre("b", "m", "z"));
  ASSERT_TRUE(files.rename(path("a/z"), path("a/b/y")));
  ASSERT_TRUE(files.sync_directory(path("a/b")));
  EXPECT_TRUE(files.exists(path("a/b/y")));
  EXPECT_FALSE(files.exists(path("a/z")));
  ASSERT_TRUE(files.remove(path("a/b/y")));
  EXPECT_TRUE(files.remove(path("a/b/y")));  // gone is what was wanted
}

TEST_F(RealFiles, errors_name_the_path_and_the_reason) {
  const auto missing = files.open(path("nothing"), {});
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, Code::kNotFound);
  EXPECT_THAT(missing.error().message, testing::HasSubstr(path("nothing")));
  EXPECT_THAT(missing.error().message, testing::HasSubstr("No such file"));
  EXPECT_EQ(files.list(path("nothing")).error().code, Code::kNotFound);
  EXPECT_EQ(files.rename(path("nothing"), path("b")).error().code, Code::kNotFound);
  ASSERT_TRUE(files.open(path("file"), {.create = true}));
  EXPECT_FALSE(files.create_directories(path("file/below")));
}

TEST_F(RealFiles, a_full_device_answers_exhausted) {
  const auto full = files.open("/dev/full", {});
  ASSERT_TRUE(full);
  const Status wrote = (*full)->pwrite("x", 0);
  ASSERT_FALSE(wrote);
  EXPECT_EQ(wrote.error().code, Code::kExhausted);
  EXPECT_THAT(wrote.error().message, testing::HasSubstr("/dev/full"));
}

TEST_F(RealFiles, atomic_write_replaces_and_leaves_nothing_behind) {
  ASSERT_TRUE(write_file_atomic(files, path("f"), "first, longer"));
  ASSERT_TRUE(write_file_atomic(files, path("f"), "second"));
  EXPECT_EQ(*read_file(files, path("f"), 100), "second");
  EXPECT_THAT(*files.list(root), testing::ElementsAre("f"));
  EXPECT_EQ(read_file(files, path("f"), 5).error().code, Code::kInvalid);
  EXPECT_EQ(read_file(files, path("g"), 5).error().code, Code::kNotFound);
}

TEST_F(RealFiles, a_lock_has_one_holder_and_names_it) {
  auto held = LockFile::take(path("lock"));
  ASSERT_TRUE(held) << held.error().message;
  const auto refused = LockFile::take(path("lock"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kConflict);
  EXPECT_THAT(refused.error().message,
              testing::HasSubstr("another penstock (pid " + std::to_string(::getpid()) + ")"));
  held = LockFile();  // moving in an empty one...
  auto again = LockFile::take(path("lock"));
  EXPECT_TRUE(again) << "...lets go of the old one";
  EXPECT_FALSE(LockFile::take(path("no/such/folder")));
}

TEST_F(RealFiles, a_lock_dies_with_its_process) {
  const pid_t child = ::fork();
  if (child == 0) {
    const auto lock = LockFile::take(path("lock"));
    ::kill(::getpid(), lock ? SIGKILL : SIGTERM);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(WTERMSIG(status), SIGKILL);
  EXPECT_TRUE(LockFile::take(path("lock")));
}

}  // namespace
}  // namespace penstock::runtime
