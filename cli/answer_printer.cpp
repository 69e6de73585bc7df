#include "cli/answer_printer.h"

#include <nlohmann/json.hpp>

namespace mlxr::cli {
namespace {

// The daemon lists a model that was loaded by path under the file's name or under the path.
bool is_loaded(Client& client, const std::string& model) {
  const auto status = client.get("/mlxr/status");
  if (!status) return true;  // the request itself will say what is wrong
  const std::string stem = std::filesystem::path(model).stem().string();
  for (const auto& loaded : status->value("models", nlohmann::json::array())) {
    const std::string name = loaded.value("name", "");
    if (name == model || (model.contains('/') && name == stem)) return true;
  }
  return false;
}

}  // namespace

LoadingHint::LoadingHint(const std::string& model, Client& client) {
  if (!stderr_is_terminal() || !terminal_moves_cursor() || is_loaded(client, model)) return;
  say(styled_error(Style::kDim, "Loading " + model + "..."));
  shown_ = true;
}

void LoadingHint::erase() {
  if (shown_) draw("\r\033[K");
  shown_ = false;
}

bool AnswerPrinter::print(std::string_view text) {
  hint_.erase();
  began_ = true;
  if (!on_terminal_) return write_out_raw(text);
  return write_out_raw(wrap_.feed(filter_.clean(text), terminal_width()));
}

bool AnswerPrinter::finish() {
  hint_.erase();
  if (began_ && on_terminal_) write_out_raw(wrap_.finish(terminal_width()));
  return began_;
}

}  // namespace mlxr::cli
