// penstock doctor: why are my events not visible?
#include <memory>

#include "main/commands/commands.h"
#include "main/doctor/doctor.h"
#include "main/instance.h"

namespace penstock::cli {
namespace {

struct DoctorArgs {
  std::string data = default_data_dir();
  bool json = false;
};

int run_doctor(const DoctorArgs& args) {
  return doctor::examine(args.data).tell(args.json, "Nothing keeps events from being visible.",
                                         "Things that keep events from being visible or accepted");
}

}  // namespace

void add_doctor(CLI::App& app, Run& run) {
  auto args = std::make_shared<DoctorArgs>();
  CLI::App* c = app.add_subcommand("doctor", "Why are my events not visible?");
  c->footer(
      "Follows the way of an event from the socket to SQL and says where it is held up and what to "
      "do.\n"
      "Works on a running instance and on a directory where it does not run. Changes nothing. Exit "
      "code 1: something is BAD.");
  add_data_option(*c, args->data);
  c->add_flag("--json", args->json, "JSON for machines");
  c->callback([args, &run] { run = [args] { return run_doctor(*args); }; });
}

}  // namespace penstock::cli
