// Runs a fuzz driver without libFuzzer: its committed corpus, then so many seeded mutations.
//
// usage: <thing>_fuzz CORPUS_DIR [MUTATIONS [SEED]]
//
// The same seed gives the same inputs. When one breaks something it is left in
// ./crash-<seed>-<number>, to be run again as a corpus of its own.
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

#include "fuzz/fuzz.h"

extern "C" __attribute__((weak)) size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size,
                                                                size_t size_max, unsigned seed);
extern "C" __attribute__((weak)) void __sanitizer_set_death_callback(void (*callback)());

namespace {

constexpr size_t kInputBytesMax = 16384;

std::minstd_rand& chance() {
  static std::minstd_rand instance;
  return instance;
}

struct Current {
  std::string input, name;
};

Current& current() {
  static Current instance;
  return instance;
}

void keep_input() {
  std::ofstream out("crash-" + current().name, std::ios::binary);
  out << current().input;
  std::fprintf(stderr, "the input is in ./crash-%s\n", current().name.c_str());
}

void on_signal(int number) {
  keep_input();
  std::signal(number, SIG_DFL);
  std::raise(number);
}

void run(std::string input, std::string name) {
  current() = {std::move(input), std::move(name)};
  const std::string& in = current().input;
  LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(in.data()), in.size());
}

}  // namespace

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t size_max) {
  auto& random = chance();
  std::string text(reinterpret_cast<const char*>(data), size);
  const size_t at = text.empty() ? 0 : random() % text.size();
  switch (random() % 5) {
    case 0:
      if (!text.empty()) text[at] = static_cast<char>(text[at] ^ (1 << random() % 8));
      break;
    case 1:
      if (!text.empty()) text[at] = static_cast<char>(random());
      break;
    case 2:
      text.insert(text.begin() + static_cast<std::ptrdiff_t>(at), static_cast<char>(random()));
      break;
    case 3: text.erase(at, 1 + random() % 8); break;
    default: text.insert(at, text.substr(random() % (text.size() + 1), 1 + random() % 16)); break;
  }
  return penstock::fuzz::give_back(text, data, size_max);
}

int main(int count, char** words) {
  if (count < 2) {
    std::fprintf(stderr, "usage: %s CORPUS_DIR [MUTATIONS [SEED]]\n", words[0]);
    return 2;
  }
  const size_t mutations = count > 2 ? std::strtoul(words[2], nullptr, 10) : 0;
  const auto seed = static_cast<unsigned>(count > 3 ? std::strtoul(words[3], nullptr, 10) : 1);
  if (__sanitizer_set_death_callback != nullptr) __sanitizer_set_death_callback(keep_input);
  for (const int number : {SIGABRT, SIGSEGV, SIGFPE, SIGILL, SIGBUS})
    std::signal(number, on_signal);
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(words[1])) {
    if (entry.is_regular_file()) paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  std::vector<std::string> corpus;
  for (const auto& path : paths) {
    std::ifstream in(path, std::ios::binary);
    corpus.emplace_back(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
    run(corpus.back(), path.filename().string());
  }
  if (corpus.empty()) {
    std::fprintf(stderr, "there is no corpus in %s\n", words[1]);
    return 1;
  }
  chance().seed(seed);
  for (size_t i = 0; i < mutations; i++) {
    std::string input = corpus[chance()() % corpus.size()];
    if (input.size() > kInputBytesMax) input.resize(kInputBytesMax);
    for (size_t rounds = 1 + chance()() % 4; rounds > 0; rounds--) {
      const size_t had = input.size();
      input.resize(kInputBytesMax + 64);
      auto* data = reinterpret_cast<uint8_t*>(input.data());
      const auto draw = static_cast<unsigned>(chance()());
      input.resize(LLVMFuzzerCustomMutator != nullptr
                       ? LLVMFuzzerCustomMutator(data, had, kInputBytesMax, draw)
                       : LLVMFuzzerMutate(data, had, kInputBytesMax));
    }
    run(std::move(input), std::to_string(seed) + "-" + std::to_string(i));
  }
  std::printf("%zu corpus files and %zu mutations held\n", corpus.size(), mutations);
  return 0;
}
