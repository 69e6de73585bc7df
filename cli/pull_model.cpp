#include "cli/pull_model.h"

#include <algorithm>

#include "cli/format.h"
#include "cli/interrupt.h"
#include "cli/memory_need.h"
#include "cli/progress_bar.h"
#include "cli/terminal.h"
#include "platform/cpu.h"
#include "store/catalogue.h"

namespace mlxr::cli {
namespace {

std::string size_of(const store::Offer& offer) { return offer.size == 0 ? "" : ", " + format_bytes(offer.size); }

void show_offer(const store::Offer& offer) {
  say(styled_error(Style::kBold, offer.title.empty() ? offer.name : offer.title) + " (" + offer.name + size_of(offer) + ", published by " +
      offer.publisher + ")\n");
  if (!offer.description.empty()) say(wrapped(offer.description, text_width()));
  if (!offer.license.empty()) {
    say("License: " + styled_error(Style::kBold, offer.license) + "\nText:    " + offer.license_url + "\n");
    if (!offer.license_summary.empty()) say(wrapped(offer.license_summary, text_width()));
  }
  for (const auto& notice : offer.notices) say(wrapped(notice, text_width()));
}

// What the model will take, so that nobody waits for a download that cannot be used here.
void show_memory(const store::Offer& offer, const store::PullOptions& options) {
  if (const auto need = memory_need(offer, options)) {
    say("Memory:  " + in_words(*need) + "\n");
    if (!need->fits)
      say(wrapped("It runs here only with a smaller context, if at all. Choose a smaller quantization, or a smaller model.", text_width()));
    if (need->fits && need->paged) say(wrapped("It runs here, but more slowly than a model that fits. A fast disk helps.", text_width()));
    return;
  }
  const auto* known = offer.is_from_catalogue ? store::find_in_catalogue(offer.name) : nullptr;
  if (known == nullptr || known->memory == 0) return;
  const bool fits = known->memory <= platform::usable_memory();
  say("Memory:  about " + format_bytes(known->memory) + " of " + format_bytes(platform::usable_memory()) +
      (fits ? "" : ": it does not fit") + "\n");
}

// Makes sure that the license is accepted, if it has to be.
Outcome<bool> settle_license(store::Store& store, const store::Offer& offer, std::string_view text, bool accept_license) {
  if (!offer.asks_for_license) return accept_license;
  auto accepted_at = store.license_accepted_at(offer);
  if (!accepted_at) return give_up(accepted_at.error());
  if (accepted_at->has_value()) return true;
  if (accept_license) {
    say("Accepted by --accept-license.\n");
    return true;
  }
  if (!stdin_is_terminal() || !stderr_is_terminal()) {
    return give_up(ExitCode::kLicense, "The license of " + offer.name +
                                           " has not been accepted, and there is no terminal to ask on. To accept it: mlx pull " +
                                           std::string(text) + " --accept-license");
  }
  if (!ask_yes_no("Do you accept this license?")) {
    return give_up(interrupted() ? ExitCode::kInterrupted : ExitCode::kLicense, "The license was not accepted; nothing was downloaded.");
  }
  return true;
}

}  // namespace

Outcome<store::ModelRecord> pull_model(store::Store& store, std::string_view text, const PullWishes& wishes) {
  const auto ref = store::ModelRef::parse(text, store::PathRule::kAny);
  if (!ref) return give_up(ref.error());
  ProgressBar bar(stderr_is_terminal());
  store::PullOptions options{.name = wishes.name, .allow_plain_http = wishes.insecure, .cancelled = &interrupted()};
  options.progress = [&bar](const store::Progress& progress) {
    draw(bar.update({progress.stage, progress.item, progress.done, progress.total}, ProgressBar::Clock::now(), terminal_width()));
  };
  options.notice = [&bar](const std::string& sentence) {
    draw(bar.finish());
    say(wrapped(sentence, text_width()));
  };

  const auto offer = store.offer(*ref, options);
  if (!offer) return give_up(offer.error());
  if (offer->installed) {
    for (const auto& notice : offer->notices) say(wrapped(notice, text_width()));
    say(offer->name + " is already installed: " + offer->installed->file.string() + "\n");
    return *offer->installed;
  }
  show_offer(*offer);
  show_memory(*offer, options);
  auto accepted = settle_license(store, *offer, text, wishes.accept_license);
  if (!accepted) return give_up(accepted.error());
  options.accept_license = *accepted;

  auto model = store.pull(*offer, options);
  draw(bar.finish());
  if (!model) {
    if (model.error().code == ErrorCode::kCancelled) {
      const auto left = store.leftovers();
      const bool is_kept = std::ranges::find(left, offer->name, &store::Leftover::name) != left.end();
      return give_up(ExitCode::kInterrupted,
                     is_kept
                         ? "Stopped. The partial download is kept. Continue with the same command, or delete it with: mlx rm " + offer->name
                         : "Stopped. Nothing has arrived yet.");
    }
    return give_up(model.error());
  }
  say(model->name + " is installed: " + format_bytes(model->size) + ", SHA-256 " +
      (offer->sha256.empty() ? model->sha256 + " (not verified), " : "verified, ") + model->file.string() + "\n");
  if (offer->license.empty() && !model->license.empty()) say("License according to the file: " + model->license + "\n");
  return *model;
}

std::string next_models_hint() {
  return "For real work, choose a model that fits your memory:\n"
         "   4 GB   1 to 3 billion parameters, such as llama3.2:1b\n"
         "   8 GB   7 to 8 billion parameters, such as llama3.1:8b\n"
         "  16 GB   12 to 14 billion parameters, such as gemma3:12b\n"
         "Models that you can get by name: mlx list --available\n"
         "Models from the Hugging Face hub: mlx pull hf:ORGANIZATION/REPOSITORY\n"
         "A GGUF file that you already have: mlx import model.gguf\n";
}

}  // namespace mlxr::cli
