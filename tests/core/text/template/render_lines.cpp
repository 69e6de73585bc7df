// Renders what comes in: each line of stdin is {"template": text, "context": object}, each line of stdout
// {"output": text} or {"error": sentence}. The differential test drives it.
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>

#include "core/text/chat_template.h"

int main() {
  using Json = nlohmann::ordered_json;
  for (std::string line; std::getline(std::cin, line);) {
    const Json job = Json::parse(line);
    const auto parsed = mlxr::text::ChatTemplate::parse(job.at("template").get<std::string>());
    const auto output = parsed ? parsed->render(job.at("context").dump()) : mlxr::fail(parsed.error());
    std::cout << (output ? Json{{"output", output->bytes()}} : Json{{"error", output.error().message}}).dump() << std::endl;
  }
}
