#include "cli/pull_model.h"

#include <cstdio>

#include "cli/format.h"
#include "cli/interrupt.h"
#include "cli/progress_bar.h"
#include "cli/terminal.h"
#include "store/names.h"

namespace mlxr::cli {
namespace {

void show_license(const store::CatalogueEntry& entry) {
  say(styled_error(Style::kBold, std::string(entry.title)) + " (" + std::string(entry.name) + ", " + format_bytes(entry.size) + " by " +
      std::string(entry.publisher) + ")\n" + wrapped(entry.description, text_width()) +
      "\nLicence: " + styled_error(Style::kBold, std::string(entry.license)) + "\nText:    " + std::string(entry.license_url) + "\n" +
      wrapped(entry.license_summary, text_width()) + "\n");
}

// Nobody vouches for a file from an address: its licence is its publisher's to tell.
void say_license_is_unknown(std::string_view address) {
  const std::size_t host = address.find("://") + 3;
  say(wrapped("The licence of this file is not known to MLXR. Before you use the model, read its licence where it is published: " +
                  std::string(address.substr(0, address.find('/', host))) + "/",
              text_width()));
}

// Shows the licence where that is due and settles whether it is accepted.
Outcome<bool> settle_license(store::Store& store, const store::CatalogueEntry& entry, bool accept_license) {
  auto accepted_at = store.license_accepted_at(entry.name);
  if (!accepted_at) return give_up(accepted_at.error());
  if (accepted_at->has_value() || entry.license.empty()) return true;  // a team's own catalogue may name none
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
  const store::CatalogueEntry* entry = store::find_in_catalogue(name);
  if (entry) {
    auto accepted = settle_license(store, *entry, accept_license);
    if (!accepted) return give_up(accepted.error());
    options.accept_license = *accepted;
  } else if (store::is_address(name)) {
    say_license_is_unknown(name);
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
  // Without a catalogue entry there is no hash to compare with.
  say(model->name + " is here: " + format_bytes(model->size) + (entry ? ", SHA-256 verified, " : ", SHA-256 " + model->sha256 + ", ") +
      model->file.string() + "\n");
  if (!entry && !model->license.empty()) say("The file itself names its licence: " + model->license + "\n");
  return *model;
}

std::string next_models_hint() {
  return wrapped(
             "The models that MLXR knows by name are small: they prove that the installation works. For real work, take a GGUF file by "
             "the memory you have:",
             text_width()) +
         "   4 GB of memory   models of 1 to 3 billion parameters, Q4\n"
         "   8 GB of memory   models of 7 to 8 billion parameters, Q4\n"
         "  16 GB of memory   models of 14 billion parameters, Q4\n" +
         wrapped("and get it by its address, mlx pull https://.../model.gguf, or use a file that you have: mlx import model.gguf",
                 text_width());
}

}  // namespace mlxr::cli
