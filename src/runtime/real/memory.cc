#include "runtime/memory.h"

#include <sys/mman.h>

namespace penstock::runtime {

void prefer_huge_pages(void* data, size_t bytes) {
  const int refused = ::madvise(data, bytes, MADV_HUGEPAGE);  // a kernel without them says no
  (void)refused;
}

}  // namespace penstock::runtime
