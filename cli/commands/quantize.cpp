#include <CLI/CLI.hpp>
#include <cstdio>

#include "cli/commands/commands.h"
#include "cli/completion.h"
#include "cli/format.h"
#include "cli/interrupt.h"
#include "cli/progress_bar.h"
#include "cli/terminal.h"
#include "platform/cpu.h"
#include "store/quantize.h"

namespace mlxr::cli {
namespace {

struct Options {
  std::string input;
  std::string output;
  std::string type;
  int threads = 0;
  bool allow_requantize = false;
  bool force = false;
};

// Adds the option that helps. The library does not know the options of this command.
Failure with_option(const Error& error) {
  Failure failure(error);
  if (error.code == ErrorCode::kAlreadyExists) failure.message += " To replace it: --force";
  if (error.code == ErrorCode::kInvalidArgument && error.message.find("already quantized") != std::string::npos)
    failure.message += " To do it anyway: --allow-requantize";
  return failure;
}

Status quantize(const Options& options) {
  catch_termination();
  ProgressBar bar(stderr_is_terminal());
  store::QuantizeOptions how{.threads = options.threads > 0 ? options.threads : platform::usable_cores(),
                             .allow_requantize = options.allow_requantize,
                             .overwrite = options.force,
                             .progress = {},
                             .cancelled = &interrupted()};
  how.progress = [&](std::uint64_t done, std::uint64_t total) {
    draw(bar.update({"quantizing", options.input, done, total}, ProgressBar::Clock::now(), terminal_width()));
  };
  const auto made = store::quantize(options.input, options.output, options.type, how);
  draw(bar.finish());
  if (!made) return give_up(with_option(made.error()));
  if (!made->note.empty()) say(made->note + "\n");
  write_out(options.output + " is " + format_bytes(made->size_after) + ", " + format_fixed(made->bits_per_weight, 2) +
            " bits per weight; " + options.input + " is " + format_bytes(made->size_before) + ". Try it: mlx run " + options.output + "\n");
  return {};
}

}  // namespace

void add_quantize(CLI::App& app, Action& action) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("quantize", "Makes a smaller copy of a GGUF file or a model folder.");
  command->footer("Example: mlx quantize model-f16.gguf model.gguf Q4_K_M");
  command->add_option("INPUT", options->input, "A GGUF file in F16, BF16 or F32, or a model folder as Hugging Face publishes it")
      ->required()
      ->type_name(kCompletesFile);
  command->add_option("OUTPUT", options->output, "The file to write; for the types of MLX, the folder")->required();
  command->add_option("TYPE", options->type, store::quantize_types())->required();
  command->add_option("--threads", options->threads, "Number of threads; by default, one per core")
      ->type_name("N")
      ->check([](const std::string& text) {  // CLI::Range says it in other words in each version
        int threads = 0;
        const bool is_number = CLI::detail::lexical_cast(text, threads);
        return is_number && threads >= 1 && threads <= 1024 ? std::string() : "'" + text + "' is not a number from 1 to 1024";
      });
  command->add_flag("--allow-requantize", options->allow_requantize, "Accept an input that is already quantized, which loses quality");
  command->add_flag("--force", options->force, "Replace OUTPUT if it exists");
  command->callback([&action, options] { action = [options] { return quantize(*options); }; });
}

}  // namespace mlxr::cli
