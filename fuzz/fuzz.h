// What fuzz drivers share: choices drawn from the input's bytes, and checks that hold in all
// builds.
//
// A driver is one <thing>_fuzz.cc with LLVMFuzzerTestOneInput and a folder corpus/<thing>/. The
// same file runs under libFuzzer (preset `fuzz`) and, seeded and bounded, as a ctest of the other
// presets (driver.cc). A driver may bring its own LLVMFuzzerCustomMutator.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <string_view>

extern "C" {
int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t size_max, unsigned seed);
/// libFuzzer's own mutation of plain bytes, or driver.cc's.
size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t size_max);
}

namespace penstock::fuzz {

/// Ends the process when a promise is broken; the fuzzer keeps the input.
inline void hold(bool promise, const char* what) {
  if (promise) return;
  std::fprintf(stderr, "broken promise: %s\n", what);
  std::abort();
}

inline std::string_view text_of(const uint8_t* data, size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

/// Choices from the front of an input; all zero when it is used up.
class Choices {
 public:
  explicit Choices(std::string_view bytes) : bytes_(bytes) {}
  uint8_t byte() {
    if (bytes_.empty()) return 0;
    const auto out = static_cast<uint8_t>(bytes_.front());
    bytes_.remove_prefix(1);
    return out;
  }
  /// 0 to n - 1.
  size_t below(size_t n) { return n < 256 ? byte() % n : (size_t{byte()} << 8 | byte()) % n; }
  bool chance(int in_256) { return byte() < in_256; }
  template <typename List>
  auto& pick(const List& list) {
    return list[below(std::size(list))];
  }
  std::string_view rest() const { return bytes_; }
  std::string_view take(size_t n) {
    const std::string_view out = bytes_.substr(0, n);
    bytes_.remove_prefix(out.size());
    return out;
  }
  bool empty() const { return bytes_.empty(); }

 private:
  std::string_view bytes_;
};

/// Plain mutation of a text in place.
inline void mutate_bytes(std::string& text, size_t size_max) {
  const size_t had = text.size();
  text.resize(std::max(size_max, had));
  text.resize(LLVMFuzzerMutate(reinterpret_cast<uint8_t*>(text.data()), had, size_max));
}

/// Copies a text over a custom mutator's buffer.
inline size_t give_back(std::string_view text, uint8_t* data, size_t size_max) {
  const size_t n = std::min(text.size(), size_max);
  std::copy_n(text.begin(), n, data);
  return n;
}

}  // namespace penstock::fuzz
