// The small files by which the engine knows its tables again: their definitions and formats.
//
// Seen with libchdb 26.7.3: on a full disk CREATE TABLE is confirmed and its definition is an empty
// file; the tables work for as long as the process lives, and no engine opens the directory after
// it. ALTER could empty a definition that was whole. So: they are read back after every statement
// that may have written one, before anything relies on it; copies of whole ones are kept; and what
// is empty at a start is mended before the engine opens the directory.
//
// Only the engine child uses this. Failure: an error with the file's name; nothing is half mended,
// the next start does it again.
#pragma once

#include <cstddef>
#include <string>

#include "base/result.h"

namespace penstock::store {

/// Are all of them whole, and on the disk? `directory`: the engine's. An error names one that is
/// not; then no row may be trusted to its table, and the engine is to be started again.
Status check_table_files(const std::string& directory);

/// Only while no engine runs there. A definition that is not whole becomes its kept copy; one that
/// has none is removed: it was never checked, so its table was never used, and is made again. A
/// table's format is written, a mutation that was not is forgotten. Answers how many were mended.
/// kCorrupt: there are rows, and no copies at all (a directory from before they were kept).
Result<size_t> mend_table_files(const std::string& directory);

/// Keeps copies of all definitions that are whole. Without room the older copies stay.
void keep_table_files(const std::string& directory);

}  // namespace penstock::store
