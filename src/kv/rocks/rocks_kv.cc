// RocksKv: KeyValue over RocksDB. Writes go to its write-ahead log without a sync; `flush` syncs
// that log, so a crash keeps a prefix of the batches. One process per path (RocksDB locks it).
#include <rocksdb/cache.h>
#include <rocksdb/convenience.h>
#include <rocksdb/db.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/options.h>
#include <rocksdb/slice.h>
#include <rocksdb/table.h>
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <filesystem>

#include "kv/key_value.h"
#include "kv/rocks/values_apart.h"
#include "kv/table_file.h"

namespace penstock::kv {
namespace {

constexpr int kOpenFilesMax = 1024;
constexpr int kBackgroundJobs = 2;
constexpr int kWriteBuffersMax = 3;
constexpr uint64_t kWalBytesMax = 64ULL << 20;
constexpr size_t kInfoLogBytesMax = 1ULL << 20;
constexpr size_t kInfoLogFilesMax = 2;
constexpr double kBloomBitsPerKey = 10;
constexpr size_t kReadGroup = 1024;
constexpr size_t kBatchHeaderBytes = 12, kChangeBytes = 11;  // in a batch, beside keys and values
constexpr int kShardsByItsSize = -1;
constexpr double kCacheOfIndexesShare = 0.8;  // at most; every look-up needs them
constexpr double kMemtableBloomShare = 0.02;  // of a write buffer
// With large values apart.
constexpr uint64_t kApartFrom = 256;           // bytes of a value
constexpr double kGarbageLookedFor = 0.25;     // oldest share of the values' files
constexpr uint64_t kKeysBaseBytes = 16 << 20;  // first level of keys

rocksdb::Slice slice(std::string_view v) { return {v.data(), v.size()}; }
std::string_view view(const rocksdb::Slice& s) { return {s.data(), s.size()}; }

std::unexpected<Error> rocks_fail(std::string_view what, const rocksdb::Status& status) {
  Code code = Code::kUnavailable;
  if (status.IsNoSpace() || status.IsMemoryLimit()) code = Code::kExhausted;
  if (status.IsCorruption()) code = Code::kCorrupt;
  if (status.IsBusy() || status.IsTryAgain()) code = Code::kBusy;
  if (status.IsTimedOut()) code = Code::kTimeout;
  if (status.IsInvalidArgument() || status.IsNotSupported()) code = Code::kBug;
  // RocksDB reports a directory that another process holds as an I/O error about its LOCK file.
  if (status.IsIOError() && status.ToString().find("lock ") != std::string::npos) {
    code = Code::kConflict;
  }
  return fail(code, std::string(what) + ": " + status.ToString());
}

/// Values in files of their own (RocksDB's integrated BlobDB). What is left in the tree are keys:
/// small enough that the levels are, and that a look-up reads few bytes.
void keep_values_apart(rocksdb::Options& out) {
  out.enable_blob_files = true;
  out.min_blob_size = kApartFrom;
  out.blob_compression_type = kValuesCompression;
  out.enable_blob_garbage_collection = true;
  out.blob_garbage_collection_age_cutoff = kGarbageLookedFor;
  out.compression = rocksdb::kNoCompression;
  out.max_bytes_for_level_base = kKeysBaseBytes;
  // The last level, nine tenths of all, needs no filter for keys that are there.
  out.optimize_filters_for_hits = true;
}

rocksdb::Options database_options(const RocksOptions& options) {
  rocksdb::BlockBasedTableOptions table;
  table.block_cache =
      rocksdb::NewLRUCache(options.cache_bytes, kShardsByItsSize, false, kCacheOfIndexesShare);
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(kBloomBitsPerKey));
  // So that the cache bounds them too; in pieces, so that a look-up needs a piece and not a
  // file's whole index, however many keys there are.
  table.cache_index_and_filter_blocks = true;
  table.cache_index_and_filter_blocks_with_high_priority = true;
  table.pin_top_level_index_and_filter = true;
  table.index_type = rocksdb::BlockBasedTableOptions::kTwoLevelIndexSearch;
  table.partition_filters = true;
  table.enable_index_compression = false;
  table.data_block_index_type = rocksdb::BlockBasedTableOptions::kDataBlockBinaryAndHash;
  table.format_version = 5;

  rocksdb::Options out;
  out.create_if_missing = true;
  out.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  out.compression = rocksdb::kLZ4Compression;
  out.write_buffer_size = options.write_buffer_bytes;
  out.max_write_buffer_number = kWriteBuffersMax;
  out.max_total_wal_size = kWalBytesMax;
  out.max_open_files = kOpenFilesMax;
  out.level_compaction_dynamic_level_bytes = true;
  out.memtable_whole_key_filtering = true;
  out.memtable_prefix_bloom_size_ratio = kMemtableBloomShare;
  out.max_background_jobs = kBackgroundJobs;
  out.bytes_per_sync = 1U << 20;
  out.max_log_file_size = kInfoLogBytesMax;
  out.keep_log_file_num = kInfoLogFilesMax;
  out.info_log_level = rocksdb::WARN_LEVEL;
  out.stats_dump_period_sec = 0;
  out.stats_persist_period_sec = 0;
  // Stops at the first broken record of the write-ahead log: what remains is a prefix.
  out.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
  if (options.large_values) keep_values_apart(out);
  return out;
}

class RocksKv : public KeyValue {
 public:
  explicit RocksKv(std::unique_ptr<rocksdb::DB> db) : db_(std::move(db)) {}
  ~RocksKv() override {
    rocksdb::CancelAllBackgroundWork(db_.get(), true);
    // Closing answers again what the last write or flush already said.
    (void)db_->Close();
  }
  RocksKv(const RocksKv&) = delete;
  RocksKv& operator=(const RocksKv&) = delete;

  Result<std::optional<std::string>> get(std::string_view key) const override {
    std::string value;
    const rocksdb::Status s = db_->Get(read_, slice(key), &value);
    if (s.IsNotFound()) return std::nullopt;
    if (!s.ok()) return rocks_fail("read a key", s);
    return std::optional(std::move(value));
  }

  Result<std::vector<std::optional<std::string>>> get_many(
      const std::vector<std::string>& keys) const override {
    std::vector<std::optional<std::string>> out(keys.size());
    PENSTOCK_CHECK(visit_many(keys, [&](size_t i, std::string_view value) -> Status {
      out[i] = std::string(value);
      return {};
    }));
    return out;
  }

  Status visit_many(const std::vector<std::string>& keys,
                    const std::function<Status(size_t, std::string_view)>& visit) const override {
    // In groups: values are held in memory until they are visited.
    for (size_t at = 0; at < keys.size(); at += kReadGroup) {
      const size_t n = std::min(kReadGroup, keys.size() - at);
      const std::vector<rocksdb::Slice> slices(keys.begin() + static_cast<std::ptrdiff_t>(at),
                                               keys.begin() + static_cast<std::ptrdiff_t>(at + n));
      std::vector<rocksdb::PinnableSlice> values(n);
      std::vector<rocksdb::Status> statuses(n);
      db_->MultiGet(read_, db_->DefaultColumnFamily(), n, slices.data(), values.data(),
                    statuses.data());
      for (size_t i = 0; i < n; i++) {
        if (statuses[i].IsNotFound()) continue;
        if (!statuses[i].ok()) return rocks_fail("read keys", statuses[i]);
        PENSTOCK_CHECK(visit(at + i, view(values[i])));
      }
    }
    return {};
  }

  Status scan(std::string_view from, std::string_view to,
              const std::function<bool(std::string_view, std::string_view)>& visit) const override {
    rocksdb::ReadOptions options = read_;
    const rocksdb::Slice upper = slice(to);
    if (!to.empty()) options.iterate_upper_bound = &upper;
    const std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator(options));
    for (it->Seek(slice(from)); it->Valid(); it->Next()) {
      if (!visit(view(it->key()), view(it->value()))) return {};
    }
    if (!it->status().ok()) return rocks_fail("scan", it->status());
    return {};
  }

  Status write(const WriteBatch& batch) override {
    // In key order the memtable finds each place near the last one.
    std::vector<const WriteBatch::Change*> sorted;
    sorted.reserve(batch.changes().size());
    size_t bytes = 0;
    for (const WriteBatch::Change& change : batch.changes()) {
      sorted.push_back(&change);
      bytes += change.key.size() + (change.value ? change.value->size() : 0) + kChangeBytes;
    }
    std::ranges::stable_sort(sorted, {},
                             [](const auto* c) -> const std::string& { return c->key; });
    rocksdb::WriteBatch changes(bytes + kBatchHeaderBytes);
    for (const WriteBatch::Change* change : sorted) {
      const rocksdb::Status s =
          change->value ? changes.Put(change->key, *change->value) : changes.Delete(change->key);
      if (!s.ok()) return rocks_fail("gather a batch", s);
    }
    const rocksdb::Status s = db_->Write(write_, &changes);
    if (!s.ok()) return rocks_fail("write a batch", s);
    return {};
  }

  Status erase_range(std::string_view from, std::string_view to) override {
    if (!to.empty() && to <= from) return {};
    std::string end(to);
    if (end.empty()) {
      // DeleteRange wants an end: the first key after the last one.
      const std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator(read_));
      it->SeekToLast();
      if (!it->status().ok()) return rocks_fail("find the last key", it->status());
      if (!it->Valid()) return {};
      end = it->key().ToString() + '\0';
      if (end <= from) return {};
    }
    const rocksdb::Status s =
        db_->DeleteRange(write_, db_->DefaultColumnFamily(), slice(from), slice(end));
    if (!s.ok()) return rocks_fail("erase a range", s);
    return {};
  }

  Status flush() override {
    const rocksdb::Status s = db_->FlushWAL(true);
    if (!s.ok()) return rocks_fail("flush", s);
    return {};
  }

  uint64_t disk_bytes() const override {
    uint64_t bytes = 0, apart = 0;
    db_->GetIntProperty(rocksdb::DB::Properties::kTotalSstFilesSize, &bytes);
    db_->GetIntProperty(rocksdb::DB::Properties::kTotalBlobFileSize, &apart);
    bytes += apart;
    rocksdb::VectorLogPtr logs;
    if (db_->GetSortedWalFiles(logs).ok()) {
      for (const auto& log : logs) bytes += log->SizeFileBytes();
    }
    return bytes;
  }

 private:
  std::unique_ptr<rocksdb::DB> db_;
  rocksdb::ReadOptions read_;
  rocksdb::WriteOptions write_;
};

}  // namespace

Result<std::unique_ptr<KeyValue>> open_rocks_kv(const RocksOptions& options) {
  std::error_code made;
  std::filesystem::create_directories(options.path, made);
  if (made) return fail(Code::kUnavailable, "create " + options.path + ": " + made.message());
  rocksdb::DB* db = nullptr;
  const rocksdb::Status s = rocksdb::DB::Open(database_options(options), options.path, &db);
  std::unique_ptr<rocksdb::DB> owned(db);
  if (!s.ok()) return rocks_fail("open " + options.path, s);
  return std::make_unique<RocksKv>(std::move(owned));
}

Status verify_rocks_kv(const std::string& path) {
  rocksdb::DB* db = nullptr;
  rocksdb::Status s = rocksdb::DB::OpenForReadOnly(database_options({path}), path, &db);
  const std::unique_ptr<rocksdb::DB> owned(db);
  if (s.ok()) s = owned->VerifyChecksum();
  if (!s.ok()) return rocks_fail("verify " + path, s);
  // That was tables alone. Files that nothing refers to (a kill while they were written) do not
  // count.
  rocksdb::ColumnFamilyMetaData files;
  owned->GetColumnFamilyMetaData(&files);
  for (const rocksdb::BlobMetaData& file : files.blob_files) {
    const std::string name = file.blob_file_path + "/" + file.blob_file_name;
    if (const Status whole = check_value_file(name); !whole) {
      return fail(Code::kCorrupt, name + ": " + whole.error().message);
    }
  }
  return {};
}

}  // namespace penstock::kv
