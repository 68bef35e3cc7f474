// Memory for long-lived buffers that the disk reads from.
#pragma once

#include <cstddef>

namespace penstock::runtime {

constexpr size_t kHugePage = size_t{2} << 20;

/// Asks for huge pages under [data, data + bytes), which should begin at one: a direct write from
/// them costs a fraction of what it does page by page, because every page of 4 KiB is looked up and
/// held. Only advice: without it everything works as before. Any thread.
void prefer_huge_pages(void* data, size_t bytes);

}  // namespace penstock::runtime
