#include "cli/pull_model.h"

#include <cstdio>

#include "cli/format.h"
#include "cli/interrupt.h"
#include "cli/progress_bar.h"
#include "cli/terminal.h"

namespace mlxr::cli {
namespace {

void say(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stderr);
  std::fflush(stderr);
}

void show_license(const store::CatalogueEntry& entry) {
  say(styled_error(Style::kBold, std::string(entry.title)) + " (" + std::string(entry.name) + ", " + format_bytes(entry.size) + " by " +
      std::string(entry.publisher) + ")\n" + std::string(entry.description) +
      "\n\nLicence: " + styled_error(Style::kBold, std::string(entry.license)) + "\nText:    " + std::string(entry.license_url) + "\n" +
      std::string(entry.license_summary) + "\n\n");
}

// Shows the licence where that is due and settles whether it is accepted.
Outcome<bool> settle_license(store::Store& store, const store::CatalogueEntry& entry, bool accept_license) {
  auto accepted_at = store.license_accepted_at(entry.name);
  if (!accepted_at) return give_up(accepted_at.error());
  if (accepted_at->has_value()) return true;
  show_license(entry);
  if (accept_license) {
    say("Accepted by --accept-license.\n");
    return true;
  }
  const std::string name(entry.name);
  if (!stdin_is_terminal() || !stderr_is_terminal()) {
    return give_up(ExitCode::kLicense, "The licence of " + name +
                                           " has not been accepted, and there is no terminal to ask on. To accept it: mlx pull " + name +
                                           " --accept-license");
  }
  if (!ask_yes_no("Do you accept this licence?")) {
    return give_up(interrupted() ? ExitCode::kInterrupted : ExitCode::kLicense, "The licence was not accepted; nothing was downloaded.");
  }
  return true;
}

}  // namespace

Outcome<store::ModelRecord> pull_model(store::Store& store, std::string_view name, bool accept_license) {
  auto here = store.find(name);
  if (here) {
    say(here->name + " is here already: " + here->file.string() + "\n");
    return *here;
  }

  store::PullOptions options{.accept_license = accept_license};
  if (const store::CatalogueEntry* entry = store::find_in_catalogue(name)) {
    auto accepted = settle_license(store, *entry, accept_license);
    if (!accepted) return give_up(accepted.error());
    options.accept_license = *accepted;
  }

  ProgressBar bar(stderr_is_terminal());
  options.cancelled = &interrupted();
  options.progress = [&bar](const store::Progress& progress) {
    say(bar.update({progress.stage, progress.item, progress.done, progress.total}, ProgressBar::Clock::now(), terminal_width()));
  };
  auto model = store.pull(name, options);
  say(bar.finish());
  if (!model) {
    if (model.error().code == ErrorCode::kCancelled) {
      return give_up(ExitCode::kInterrupted, "Stopped. What has arrived is kept; go on with: mlx pull " + std::string(name));
    }
    return give_up(model.error());
  }
  say(model->name + " is here: " + format_bytes(model->size) + ", SHA-256 verified, " + model->file.string() + "\n");
  return *model;
}

std::string_view next_models_hint() {
  return "The models that MLXR knows by name are small: they prove that the installation works. For real work, take a GGUF file by the "
         "memory you have:\n"
         "   4 GB of memory   models of 1 to 3 billion parameters, Q4\n"
         "   8 GB of memory   models of 7 to 8 billion parameters, Q4\n"
         "  16 GB of memory   models of 14 billion parameters, Q4\n"
         "and get it by its address, mlx pull https://.../model.gguf, or use a file that you have: mlx import model.gguf\n";
}

}  // namespace mlxr::cli
