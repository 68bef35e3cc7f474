// penstock hog: run, compile, format and look into Hog programs, without a server.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>

#include "base/json_writer.h"
#include "event/json_fields.h"
#include "hog/compiler.h"
#include "hog/machine.h"
#include "main/commands/commands.h"
#include "main/commands/hog_host.h"

namespace penstock::cli {
namespace {

struct HogArgs {
  std::string file = "-", text, globals;
  std::string allow_private, geoip, resume, result = "null";
  bool json = false, is_template = false, is_expression = false, write = false, check = false;
  bool lines = false, tree = false, suspend = false;
  double seconds = 5;
};

void say(const std::string& text) { std::fputs(text.c_str(), stderr); }

/// The whole of a file, or of stdin ("-").
Result<std::string> slurp(const std::string& file) {
  if (file == "-") {
    return std::string(std::istreambuf_iterator<char>(std::cin), std::istreambuf_iterator<char>());
  }
  std::ifstream in(file, std::ios::binary);
  if (!in) return fail(Code::kNotFound, "cannot read " + file);
  return std::string(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
}

Result<std::string> source_of(const HogArgs& args) {
  if (!args.text.empty()) return args.text;
  return slurp(args.file);
}

std::string name_of(const HogArgs& args) {
  return !args.text.empty() ? "program" : args.file == "-" ? "stdin" : args.file;
}

/// Whether the text is bytecode: a JSON array whose first item is "_H" or "_h".
bool is_bytecode(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos || text[begin] != '[') return false;
  const size_t next = text.find_first_not_of(" \t\r\n", begin + 1);
  return next != std::string_view::npos &&
         (text.substr(next).starts_with("\"_H\"") || text.substr(next).starts_with("\"_h\""));
}

/// Source or bytecode as a program; says what is wrong and answers nullptr.
std::shared_ptr<const hog::Program> program_of(
    const HogArgs& args, const std::string& source,
    const std::set<std::string, std::less<>>& functions) {
  if (is_bytecode(source)) {
    auto program = hog::Program::from_json(source);
    if (program) return *program;
    complain(program.error().message);
    return nullptr;
  }
  const hog::CompileOptions options{functions};
  auto compiled = args.is_template     ? hog::compile_template(source, options)
                  : args.is_expression ? hog::compile_expression(source, options)
                                       : hog::compile(source, options);
  if (!compiled) {
    say(hog::explained(source, compiled.error(), name_of(args)));
    return nullptr;
  }
  for (const hog::Diagnostic& warning : compiled->warnings) {
    say(hog::explained(source, {"warning: " + warning.message, warning.place, warning.length},
                       name_of(args)));
  }
  for (const hog::Diagnostic& unknown : compiled->unknown_functions) {
    say(hog::explained(source, {"warning: " + unknown.message, unknown.place, unknown.length},
                       name_of(args)));
  }
  return compiled->program;
}

/// As a JSON string; surrogates that stand alone are kept.
std::string quoted(hog::Machine& machine, std::string_view text) {
  return hog::to_json(machine.heap(), machine.heap().string(text));
}

void write_outcome(JsonWriter& out, hog::Machine& machine, const hog::Outcome& outcome) {
  out.begin_object().field("finished", outcome.finished());
  if (outcome.finished()) {
    out.key("result").raw(hog::to_json(machine.heap(), outcome.result));
    out.key("shown").raw(quoted(machine, hog::print_value(machine.heap(), outcome.result)));
  } else if (outcome.state == hog::Outcome::State::kSuspended) {
    out.field("async_function", outcome.async_function).key("arguments").begin_array();
    for (const hog::Value& value : outcome.async_arguments) {
      out.raw(hog::to_json(machine.heap(), value));
    }
    out.end_array();
    if (const auto state = machine.save()) out.key("state").raw(*state);
  } else {
    out.field("error", outcome.error);
    if (!outcome.error_type.empty()) out.field("error_type", outcome.error_type);
    if (outcome.error_place.line != 0) {
      out.field("line", static_cast<int>(outcome.error_place.line));
      out.field("column", static_cast<int>(outcome.error_place.column));
    }
  }
  out.key("printed").begin_array();
  for (const std::string& line : outcome.printed) out.raw(quoted(machine, line));
  out.end_array().field("ops", outcome.ops).field("microseconds", outcome.time_us);
  out.field("memory_bytes_max", outcome.memory_bytes_max).end_object();
}

hog::Limits limits_of(const HogArgs& args) {
  hog::Limits limits;
  limits.time_us = static_cast<int64_t>(args.seconds * 1e6);
  return limits;
}

int show_outcome(const HogArgs& args, const std::string& source, hog::Machine& machine,
                 const hog::Outcome& outcome) {
  if (args.json) {
    JsonWriter out;
    write_outcome(out, machine, outcome);
    std::puts(out.take().c_str());
    return outcome.state == hog::Outcome::State::kFailed ? 1 : 0;
  }
  for (const std::string& line : outcome.printed) std::puts(line.c_str());
  if (outcome.printed_lost > 0) fmt::print(stderr, "({} more lines)\n", outcome.printed_lost);
  if (outcome.finished()) {
    if (!outcome.result.is_nothing()) {
      std::puts(hog::print_value(machine.heap(), outcome.result).c_str());
    }
    return 0;
  }
  if (outcome.state == hog::Outcome::State::kSuspended) {
    std::string arguments;
    for (const hog::Value& one : outcome.async_arguments) {
      arguments += (arguments.empty() ? "" : ", ") + hog::print_value(machine.heap(), one);
    }
    fmt::print("It waits for {}({}). `--suspend --json` gives its state, for `--resume`.\n",
               outcome.async_function, arguments);
    return 0;
  }
  if (outcome.error_place.line != 0 && !is_bytecode(source)) {
    say(hog::explained(source, {outcome.error, outcome.error_place, 1}, name_of(args)));
    return 1;
  }
  return complain(outcome.error);
}

/// Programs by the line: {"source" or "bytecode": …, "globals": {…}} in, an outcome a line out.
int run_lines(const HogArgs& args) {
  TerminalHost host;
  hog::Machine machine;
  hog::Heap heap;
  std::string line;
  while (std::getline(std::cin, line)) {
    heap.reset();
    JsonWriter out;
    try {
      const hog::Value job = hog::from_json(heap, line);
      if (!job.is(hog::Kind::kObject)) throw hog::Failure{"every line is a JSON object"};
      const auto part = [&](std::string_view name) {
        const hog::Value* found = heap.find(job.as<hog::Object>(), name);
        return found == nullptr ? hog::Value() : *found;
      };
      const hog::Value source = part("source"), code = part("bytecode"), globals = part("globals");
      std::shared_ptr<const hog::Program> program;
      if (source.is_string()) {
        auto compiled = part("template").is_true() ? hog::compile_template(source.text())
                                                   : hog::compile(source.text());
        if (!compiled) {
          const auto& error = compiled.error();
          out.begin_object().field("compile_error", error.message);
          out.field("line", static_cast<int>(error.place.line));
          out.field("column", static_cast<int>(error.place.column)).end_object();
        } else {
          program = compiled->program;
        }
        if (args.tree) {
          const auto tree =
              hog::syntax_json(source.text(), part("template").is_true() ? hog::Grammar::kTemplate
                                                                         : hog::Grammar::kProgram);
          out = JsonWriter();
          out.begin_object();
          if (tree) out.key("tree").raw(*tree);
          if (!tree) out.field("compile_error", tree.error().message);
          out.end_object();
          program = nullptr;
        }
      } else {
        auto read = hog::Program::from_json(hog::to_json(heap, code));
        if (!read) throw hog::Failure{read.error().message};
        program = *read;
      }
      if (program != nullptr) {
        const std::string text = globals.is_nothing() ? "{}" : hog::to_json(heap, globals);
        hog::JsonGlobals given(text);
        const hog::Outcome& outcome = machine.run(program, given, host, limits_of(args));
        out.begin_object().key("outcome");
        write_outcome(out, machine, outcome);
        out.key("bytecode").raw(program->to_json()).end_object();
      }
    } catch (const hog::Failure& failure) {
      out = JsonWriter();
      out.begin_object().field("bad_line", failure.message).end_object();
    }
    std::puts(out.take().c_str());
    std::fflush(stdout);
  }
  return 0;
}

/// A suspended run, from the outcome that holds it or as it is.
Result<std::string> state_in(const std::string& file) {
  PENSTOCK_TRY(std::string text, slurp(file));
  const auto outcome = event::JsonFields::parse(text);
  if (!outcome) return fail(Code::kInvalid, file + " holds no saved run");
  const auto state = outcome->find("state");
  return state ? std::string(*state) : text;
}

/// Does what the program waits for until it is through.
const hog::Outcome& finish(const HogArgs& args, hog::Machine& machine, hog::Globals& globals,
                           RunHost& host, const hog::Outcome& first, std::string& refused) {
  const hog::Outcome* now = &first;
  while (now->state == hog::Outcome::State::kSuspended && !args.suspend) {
    auto answer = host.perform(machine.heap(), *now);
    if (!answer) {
      refused = answer.error().message;
      break;
    }
    now = &machine.resume(std::move(*answer), globals, host, limits_of(args));
  }
  return *now;
}

int run_program(const HogArgs& args) {
  if (args.lines) return run_lines(args);
  std::string globals = "{}";
  if (!args.globals.empty()) {
    auto read = slurp(args.globals);
    if (!read) return complain(read.error().message);
    globals = std::move(*read);
  }
  auto made = RunHost::make(args.allow_private, args.geoip);
  if (!made) return complain(made.error().message);
  RunHost& host = **made;
  hog::Machine machine;
  hog::JsonGlobals given(globals);
  std::string source, refused;
  const hog::Outcome* begun = nullptr;
  if (!args.resume.empty()) {
    const auto state = state_in(args.resume);
    const Status restored = state ? machine.restore(*state) : std::unexpected(state.error());
    if (!restored) return complain(restored.error().message);
    if (!event::validate_json(args.result)) return complain("--result is not valid JSON");
    begun =
        &machine.resume(hog::from_json(machine.heap(), args.result), given, host, limits_of(args));
  } else {
    auto read = source_of(args);
    if (!read) return complain(read.error().message);
    source = std::move(*read);
    const auto program = program_of(args, source, RunHost::functions());
    if (program == nullptr) return 1;
    begun = &machine.run(program, given, host, limits_of(args));
  }
  const hog::Outcome& outcome = finish(args, machine, given, host, *begun, refused);
  if (!refused.empty()) {
    for (const std::string& line : outcome.printed) std::puts(line.c_str());
    return complain(refused);
  }
  return show_outcome(args, source, machine, outcome);
}

int compile_program(const HogArgs& args) {
  const auto source = source_of(args);
  if (!source) return complain(source.error().message);
  if (args.tree) {
    const auto tree = hog::syntax_json(*source, args.is_template     ? hog::Grammar::kTemplate
                                                : args.is_expression ? hog::Grammar::kExpression
                                                                     : hog::Grammar::kProgram);
    if (!tree) {
      say(hog::explained(*source, tree.error(), name_of(args)));
      return 1;
    }
    std::puts(tree->c_str());
    return 0;
  }
  const auto program = program_of(args, *source, {});
  if (program == nullptr) return 1;
  std::puts(program->to_json().c_str());
  return 0;
}

int disassemble(const HogArgs& args) {
  const auto source = source_of(args);
  if (!source) return complain(source.error().message);
  const auto program = program_of(args, *source, {});
  if (program == nullptr) return 1;
  std::fputs(program->disassembled().c_str(), stdout);
  return 0;
}

int format_program(const HogArgs& args) {
  const auto source = source_of(args);
  if (!source) return complain(source.error().message);
  const auto tidy = hog::format_source(*source);
  if (!tidy) {
    say(hog::explained(*source, tidy.error(), name_of(args)));
    return 1;
  }
  if (args.check) {
    if (*tidy == *source) return 0;
    return complain(name_of(args) + " is laid out otherwise; `penstock hog fmt --write` mends it");
  }
  if (!args.write || args.file == "-" || !args.text.empty()) {
    std::fputs(tidy->c_str(), stdout);
    return 0;
  }
  if (*tidy == *source) return 0;
  std::ofstream out(args.file, std::ios::binary | std::ios::trunc);
  out << *tidy;
  out.close();
  if (!out) return complain("cannot write " + args.file);
  return 0;
}

/// What was declared stays: the program so far runs again before each new line, silently.
int repl(const HogArgs& args) {
  std::string globals = "{}";
  if (!args.globals.empty()) {
    auto read = slurp(args.globals);
    if (!read) return complain(read.error().message);
    globals = std::move(*read);
  }
  const bool person = ::isatty(STDIN_FILENO) != 0;
  if (person)
    std::puts("Hog. Statements stay for later lines, expressions are shown. Ctrl-D ends.");
  TerminalHost host;
  hog::Machine machine;
  std::string before, line;
  size_t printed_before = 0;
  for (;;) {
    if (person) fmt::print("hog> ");
    std::fflush(stdout);
    if (!std::getline(std::cin, line)) break;
    if (line.find_first_not_of(" \t") == std::string::npos) continue;
    const std::string shown = before + "return (" + line + "\n)";
    auto compiled = hog::compile(shown);
    const bool expression = compiled.has_value();
    if (!expression) compiled = hog::compile(before + line + "\n");
    if (!compiled) {
      hog::Diagnostic error = compiled.error();
      const auto lines = static_cast<uint32_t>(std::count(before.begin(), before.end(), '\n'));
      error.place.line = error.place.line > lines ? error.place.line - lines : 1;
      say(hog::explained(line, error));
      continue;
    }
    hog::JsonGlobals given(globals);
    const hog::Outcome& outcome = machine.run(compiled->program, given, host, limits_of(args));
    for (size_t i = printed_before; i < outcome.printed.size(); i++) {
      std::puts(outcome.printed[i].c_str());
    }
    if (!outcome.finished()) {
      complain(outcome.error.empty()
                   ? outcome.async_function + " is not done line by line: penstock hog run does it"
                   : outcome.error);
      continue;
    }
    if (expression) {
      std::puts(hog::print_value(machine.heap(), outcome.result).c_str());
    } else {
      before += line + "\n";
      printed_before = outcome.printed.size();
    }
  }
  if (person) std::puts("");
  return 0;
}

CLI::App* add_one(CLI::App& hog, const char* name, const char* help,
                  const std::shared_ptr<HogArgs>& args, bool source) {
  CLI::App* command = hog.add_subcommand(name, help);
  if (source) {
    command->add_option("file", args->file, "A .hog file, bytecode as JSON, or - for stdin");
    command->add_option("-e,--execute", args->text, "The program itself instead of a file");
    command->add_flag("--template", args->is_template,
                      "It is an input template: text {expression}");
    command->add_flag("--expression", args->is_expression, "It is one expression, as in filters");
  }
  return command;
}

}  // namespace

void add_hog(CLI::App& app, Run& run) {
  CLI::App* hog = app.add_subcommand(
      "hog",
      "Run, compile and format Hog, PostHog's language for transformations and destinations\n\n"
      "  penstock hog run -e \"return 1 + 2\"            3\n"
      "  penstock hog run job.hog --globals event.json  globals are one JSON object; fetch is "
      "real\n"
      "  penstock hog run job.hog --suspend --json      until it would fetch; then --resume\n"
      "  penstock hog compile job.hog > job.json        bytecode as PostHog stores it\n"
      "  penstock hog disasm job.json                   one operation a line\n"
      "  penstock hog fmt --write job.hog               laid out the one way\n"
      "  penstock hog repl                              line by line");
  hog->require_subcommand(1);
  const auto args = std::make_shared<HogArgs>();
  const auto bind = [&run, args](CLI::App* command, int (*what)(const HogArgs&)) {
    command->callback([&run, args, what] { run = [args, what] { return what(*args); }; });
  };
  CLI::App* command = add_one(*hog, "run", "Run a program and show its result", args, true);
  command->add_option("--globals", args->globals, "A file with the program's globals, as JSON");
  command->add_option("--seconds", args->seconds, "How long it may run (default 5)");
  command->add_option("--allow-private", args->allow_private,
                      "Hosts and ranges that fetch may reach although they are private");
  command->add_option("--geoip", args->geoip, "A MaxMind City database, for geoipLookup");
  command->add_flag(
      "--suspend", args->suspend,
      "Stop where it waits for fetch or sleep; with --json the outcome has the state");
  command->add_option("--resume", args->resume, "Go on with such an outcome, a file or -");
  command->add_option("--result", args->result, "With --resume: what it waited for, as JSON");
  command->add_flag("--json", args->json, "The outcome for machines");
  command->add_flag("--lines", args->lines,
                    "Many programs: a JSON object with source (or bytecode) and globals per line");
  command->add_flag("--tree", args->tree, "With --lines: syntax trees instead of runs");
  bind(command, run_program);
  command = add_one(*hog, "compile", "Show a program's bytecode", args, true);
  command->add_flag("--tree", args->tree, "The syntax tree instead");
  bind(command, compile_program);
  bind(add_one(*hog, "disasm", "Show bytecode as operations", args, true), disassemble);
  command = add_one(*hog, "fmt", "Lay a program out the one way", args, true);
  command->add_flag("--write", args->write, "Change the file instead of showing it");
  command->add_flag("--check", args->check, "Only say whether it is laid out already");
  bind(command, format_program);
  command = add_one(*hog, "repl", "Try Hog line by line", args, false);
  command->add_option("--globals", args->globals, "A file with globals, as JSON");
  bind(command, repl);
}

}  // namespace penstock::cli
