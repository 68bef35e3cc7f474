#include "apps/app_worker.h"

#include <unistd.h>

#include <cstdlib>
#include <string_view>

#include "apps/script/cage.h"
#include "apps/script/worker.h"

namespace penstock::apps {

int app_worker_main(int argc, char** argv) {
  int fd = -1, page_fd = -1, room_fd = -1;
  std::unique_ptr<Places> places;
  for (int i = 2; i + 1 < argc; i += 2) {
    const std::string_view name = argv[i];
    if (name == "--fd") fd = std::atoi(argv[i + 1]);
    if (name == "--page") page_fd = std::atoi(argv[i + 1]);
    if (name == "--room") room_fd = std::atoi(argv[i + 1]);
    if (name == "--geoip" && argv[i + 1][0] != '\0') {
      // The parent has opened it before; without it addresses are unknown.
      if (auto opened = Places::open(argv[i + 1])) places = std::move(*opened);
    }
  }
  auto page = Page::open(page_fd);
  auto room = Room::open(room_fd);
  if (fd < 0 || !page || !room) return 2;
  enter_cage();
  Worker worker(fd, std::move(*page), std::move(*room), std::move(places));
  worker.run();
  ::_exit(0);
}

}  // namespace penstock::apps
