#include "store/catalogue.h"

#include <algorithm>
#include <cstdlib>
#include <locale>
#include <map>
#include <sstream>

#include <nlohmann/json.hpp>

#include "core/models/family.h"
#include "platform/files.h"
#include "platform/sha256.h"
#include "store/catalogue_data.h"
#include "store/hub_ref.h"
#include "store/names.h"

namespace mlxr::store {
namespace {

using nlohmann::json;

struct License {
  std::string name, url, summary;
};

std::vector<std::vector<std::string>> rows_of(std::string_view table) {
  std::vector<std::vector<std::string>> rows;
  for (const auto& line : split(table, '\n'))
    if (!line.empty() && !line.starts_with('#')) rows.push_back(split(line, '\t'));
  return rows;
}

std::uint64_t gigabytes(const std::string& text) {
  double value = 0;
  std::istringstream stream(text);
  stream.imbue(std::locale::classic());
  stream >> value;
  return static_cast<std::uint64_t>(value * 1e9 + 0.5);
}

std::unexpected<Error> refuse(const std::string& why) { return fail(ErrorCode::kInvalidArgument, why); }

Result<void> check(const CatalogueEntry& e) {
  if (auto ok = check_model_name(e.name); !ok) return ok;
  for (const auto& part : {e.publisher, e.file})
    if (!is_plain_name(part)) return refuse("'" + part + "' cannot be a publisher or a file name (" + e.name + ").");
  if (!platform::is_sha256(e.sha256)) return refuse("the sha256 of " + e.name + " is not 64 hex digits.");
  if (e.sources.empty() || std::ranges::any_of(e.sources, [](const auto& parts) { return parts.empty(); }))
    return refuse(e.name + " has no sources.");
  return {};
}

// The publisher and the file name, from the first source.
void name_the_place(CatalogueEntry& e) {
  const auto& source = e.sources.front().front();
  if (const auto hub = HubRef::parse(source); hub && *hub) {
    e.publisher = (*hub)->organization;
    e.file = (*hub)->file.substr((*hub)->file.rfind('/') + 1);
    if (e.license_url.empty()) e.license_url = (*hub)->repository_page();
    return;
  }
  e.publisher = source.substr(source.find(':') + 1, source.find("==") - source.find(':') - 1);
  e.file = e.name.substr(0, e.name.find(':')) + "-" + e.name.substr(e.name.find(':') + 1) + ".gguf";
}

struct Catalogue {
  std::vector<CatalogueEntry> entries;
  Result<void> state;

  Catalogue() {
    auto built_in = parse_catalogue(kCatalogueTable, kLicenseTable);
    if (built_in) entries = std::move(*built_in);
    state = built_in ? Result<void>{} : fail(built_in.error());
    if (const char* file = std::getenv("MLXR_CATALOGUE"); state && file != nullptr && *file != '\0') state = add_file(file);
  }

  Result<void> add_file(const std::string& file) {
    const auto text = platform::read_file(file, 16 << 20);
    if (!text) return fail(text.error());
    try {
      const json models = json::parse(*text).at("models");
      for (const auto& model : models) {
        auto entry = read(model);
        auto ok = check(entry);
        if (ok && std::ranges::find(entries, entry.name, &CatalogueEntry::name) != entries.end())
          ok = refuse("the name " + entry.name + " is used twice.");
        if (!ok) return refuse("The catalogue " + file + " cannot be used: " + ok.error().message);
        entries.push_back(std::move(entry));
      }
    } catch (const json::exception& error) {
      return refuse("The catalogue " + file + " cannot be used: " + error.what() + ".");
    }
    return {};
  }

  static CatalogueEntry read(const json& model) {
    const auto text = [&](const char* key) { return model.value(key, std::string()); };
    CatalogueEntry e{.name = model.at("name").get<std::string>(),
                     .publisher = model.at("publisher").get<std::string>(),
                     .title = text("title"),
                     .description = text("description"),
                     .license = text("license"),
                     .license_url = text("license_url"),
                     .license_summary = text("license_summary"),
                     .architecture = text("architecture"),
                     .file = model.at("file").get<std::string>(),
                     .size = model.at("size").get<std::uint64_t>(),
                     .sha256 = model.at("sha256").get<std::string>(),
                     .license_source = text("license_source")};
    e.about = e.size;
    e.memory = model.value("memory", e.size * 2);
    const auto& sources = model.at("sources");
    if (!sources.empty() && sources.front().is_array()) {
      e.sources = sources.get<std::vector<std::vector<std::string>>>();
    } else {
      e.sources = {sources.get<std::vector<std::string>>()};
    }
    return e;
  }
};

const Catalogue& loaded() {
  static const Catalogue catalogue;
  return catalogue;
}

}  // namespace

bool writes_text(std::string_view architecture) {
  const auto* family = models::find_family(architecture);
  return family == nullptr || !family->two_sided;
}

bool CatalogueEntry::runs() const { return architecture.empty() || models::find_family(architecture) != nullptr; }

Result<std::vector<CatalogueEntry>> parse_catalogue(std::string_view table, std::string_view license_table) {
  std::map<std::string, License> licenses;
  for (const auto& row : rows_of(license_table)) {
    if (row.size() != 4) return refuse("The license table has a line that is not four columns: " + row.front());
    licenses[row[0]] = {row[1], row[2], row[3]};
  }
  std::vector<CatalogueEntry> entries;
  for (const auto& row : rows_of(table)) {
    if (row.size() != 9) return refuse("The catalogue has a line that is not nine columns: " + row.front());
    CatalogueEntry e{.name = row[0],
                     .title = row[1],
                     .architecture = row[2],
                     .about = gigabytes(row[3]),
                     .memory = gigabytes(row[4]),
                     .sha256 = row[6],
                     .license_source = row[8] == "-" ? "" : row[8]};
    if (row[5] != "-") {
      const auto license = licenses.find(row[5]);
      if (license == licenses.end()) return refuse("The catalogue names a license that is not in the table: " + row[5]);
      e.license = license->second.name;
      e.license_url = license->second.url;
      e.license_summary = license->second.summary;
    }
    for (const auto& source : split(row[7], ' ')) e.sources.push_back(split(source, ','));
    name_the_place(e);
    if (auto ok = check(e); !ok) return refuse("The catalogue cannot be used: " + ok.error().message);
    entries.push_back(std::move(e));
  }
  return entries;
}

std::span<const CatalogueEntry> catalogue() { return loaded().entries; }

Result<void> catalogue_state() { return loaded().state; }

std::vector<const CatalogueEntry*> catalogue_family(std::string_view family) {
  std::vector<const CatalogueEntry*> members;
  for (const auto& entry : catalogue())
    if (std::string_view(entry.name).substr(0, entry.name.find(':')) == family) members.push_back(&entry);
  return members;
}

const CatalogueEntry* find_in_catalogue(std::string_view name) {
  const auto exact = std::ranges::find(catalogue(), name, &CatalogueEntry::name);
  if (exact != catalogue().end()) return &*exact;
  const auto family = catalogue_family(name);
  return family.size() == 1 ? family.front() : nullptr;
}

}  // namespace mlxr::store
