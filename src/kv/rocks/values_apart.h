// How values lie apart from their keys: known to who writes them and to who checks their files.
#pragma once

#include <rocksdb/compression_type.h>

namespace penstock::kv {

/// Of all files of values; each says so in its header.
inline constexpr rocksdb::CompressionType kValuesCompression = rocksdb::kLZ4Compression;

}  // namespace penstock::kv
