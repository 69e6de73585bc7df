#include <cstdio>

#include "daemon/routes/fields.h"
#include "daemon/routes/ollama/ollama.h"
#include "daemon/routes/ollama/stream.h"
#include "platform/time.h"
#include "store/catalogue.h"
#include "store/installed.h"
#include "store/model_details.h"

namespace mlxr::daemon::ollama {
namespace {

// 134515008 as "134.52M", the way Ollama writes it.
std::string count_text(std::uint64_t count) {
  static constexpr struct {
    double size;
    char suffix;
  } kScales[] = {{1e9, 'B'}, {1e6, 'M'}, {1e3, 'K'}};
  char text[32];
  for (const auto& scale : kScales) {
    if (static_cast<double>(count) < scale.size) continue;
    std::snprintf(text, sizeof text, "%.2f%c", static_cast<double>(count) / scale.size, scale.suffix);
    return text;
  }
  return std::to_string(count);
}

json details_json(const store::ModelRecord& record) {
  return {{"parent_model", ""},
          {"format", "gguf"},
          {"family", record.architecture},
          {"families", json::array({record.architecture})},
          {"parameter_size", count_text(record.parameters)},
          {"quantization_level", record.quantization},
          {"context_length", record.context_length},
          {"embedding_length", record.embedding_length}};
}

json capabilities(const store::ModelRecord& record) {
  return json::array({store::writes_text(record.architecture) ? "completion" : "embedding"});
}

void tags(ModelHost& host, Responder& out) {
  const auto records = host.store().list();
  if (!records) return out.respond(ollama_error(to_api_error(records.error())));
  json models = json::array();
  for (const auto& record : *records)
    models.push_back({{"name", record.name},
                      {"model", record.name},
                      {"modified_at", record.modified_at},
                      {"size", record.size},
                      {"digest", record.sha256},
                      {"details", details_json(record)},
                      {"capabilities", capabilities(record)}});
  out.respond({.body = dump({{"models", std::move(models)}})});
}

void ps(ModelHost& host, Responder& out) {
  // A model that never expires, or is in use, is shown far in the future, as Ollama does.
  const auto far = std::chrono::system_clock::now() + std::chrono::hours(24 * 365 * 100);
  json models = json::array();
  for (const auto& one : host.loaded())
    models.push_back({{"name", one.record.name},
                      {"model", one.record.name},
                      {"size", one.model->info().memory_bytes()},
                      {"digest", one.record.sha256},
                      {"details", details_json(one.record)},
                      {"expires_at", platform::to_rfc3339(std::min(one.expires_at, far))},
                      {"size_vram", 0},
                      {"context_length", one.model->info().context_length}});
  out.respond({.body = dump({{"models", std::move(models)}})});
}

// A model in memory has it at hand; reading it from the file takes milliseconds where the vocabulary is large.
Result<std::string> chat_template_of(ModelHost& host, const store::ModelRecord& record, const platform::OpenFiles* opened) {
  for (const auto& one : host.loaded())
    if (one.record.sha256 == record.sha256) return one.model->info().chat_template;
  if (opened != nullptr) return store::read_chat_template(*opened);
  const auto files = store::open_files_of(record);
  return files ? store::read_chat_template(*files) : fail(files.error());
}

// As Ollama writes them: a line for each, the values in one column.
Result<std::string> parameters_of(const store::ModelRecord& record, const platform::OpenFiles* opened) {
  constexpr std::size_t kColumn = 31;
  const auto files = opened != nullptr ? opened->duplicate() : store::open_files_of(record);
  if (!files) return fail(files.error());
  const auto values = store::read_sampling(*files);
  if (!values) return fail(values.error());
  std::string text;
  for (const auto& [name, value] : *values)
    text += (text.empty() ? "" : "\n") + name + std::string(kColumn - std::min(kColumn - 1, name.size()), ' ') + value;
  return text;
}

ApiResult<json> show(ModelHost& host, const Request& request, Responder& out) {
  static constexpr Field kFields[] = {{.name = "model", .type = FieldType::kString},
                                      {.name = "name", .type = FieldType::kString},
                                      unsupported("verbose"),
                                      unsupported("system"),
                                      unsupported("template"),
                                      unsupported("options")};
  const auto named = read_named(request, kFields);
  if (!named) return std::unexpected(named.error());
  // A model that is installed is not verified here: its file may be large, and nothing of it is loaded.
  const auto ref = store::ModelRef::parse(named->model, store::PathRule::kNever);
  const bool is_name = ref && ref->kind == store::ModelRef::Kind::kName && !OpenedFiles::is_reference(named->model);
  ModelHost::Checked checked;
  if (!is_name) {
    auto opened = host.open_model(named->model, {.allow_paths = request.transport == Transport::kUnixSocket, .client = &out});
    if (!opened) return std::unexpected(to_api_error(opened.error()));
    checked = std::move(*opened);
  }
  const auto record = is_name ? host.store().find(named->model) : Result<store::ModelRecord>(checked->record);
  if (!record) return std::unexpected(to_api_error(record.error()));
  const auto chat_template = chat_template_of(host, *record, checked ? &checked->files : nullptr);
  if (!chat_template) return std::unexpected(to_api_error(chat_template.error()));
  const auto parameters = parameters_of(*record, checked ? &checked->files : nullptr);
  if (!parameters) return std::unexpected(to_api_error(parameters.error()));
  const auto license = store::read_license(*record);
  json info{{"general.architecture", record->architecture},
            {"general.parameter_count", record->parameters},
            {record->architecture + ".context_length", record->context_length},
            {record->architecture + ".embedding_length", record->embedding_length}};
  return json{{"license", license.empty() ? record->license : license},
              {"modelfile", "FROM " + record->file.string() + "\n"},
              {"parameters", *parameters},
              {"template", *chat_template},
              {"details", details_json(*record)},
              {"model_info", std::move(info)},
              {"capabilities", capabilities(*record)},
              {"modified_at", record->modified_at}};
}

ApiResult<void> remove(ModelHost& host, const Request& request) {
  static constexpr Field kFields[] = {{.name = "model", .type = FieldType::kString}, {.name = "name", .type = FieldType::kString}};
  const auto named = read_named(request, kFields);
  if (!named) return std::unexpected(named.error());
  host.unload(named->model);
  if (auto removed = host.store().remove(named->model); !removed) return std::unexpected(to_api_error(removed.error()));
  return {};
}

}  // namespace

void add_model_routes(Router& router, ModelHost& host) {
  router.add_quick("GET", "/api/tags", [&host](const Request&, const std::string&, Responder& out) { tags(host, out); });
  router.add_quick("GET", "/api/ps", [&host](const Request&, const std::string&, Responder& out) { ps(host, out); });
  router.add("POST", "/api/show", [&host](const Request& request, const std::string&, Responder& out) {
    const auto body = show(host, request, out);
    out.respond(body ? Response{.body = dump(*body)} : ollama_error(body.error()));
  });
  router.add("DELETE", "/api/delete", [&host](const Request& request, const std::string&, Responder& out) {
    const auto removed = remove(host, request);
    out.respond(removed ? Response{} : ollama_error(removed.error()));
  });
}

}  // namespace mlxr::daemon::ollama
