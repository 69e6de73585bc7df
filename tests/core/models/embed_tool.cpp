// embed_tool MODEL VARIANT PACK PROMPT...: writes the embedding, or the scores, of each prompt as a line of JSON. A prompt is
//   ids:1,2,3        token ids
//   pair:1,2|3,4     those of two texts
//   text:Hello       text
//   rank:query|text  a query and a document, in the model's own form
// All of them are requested at once, and twice: the line says whether both answers were the same, and how many tokens the prompt has.
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include <mlxrunner/engine.h>

using namespace mlxr;

namespace {

std::vector<TokenId> ids(std::string_view list) {
  std::vector<TokenId> all;
  for (std::size_t at = 0; at < list.size(); at = std::min(list.size(), list.find(',', at)) + 1)
    all.push_back(std::atoi(std::string(list.substr(at)).c_str()));
  return all;
}

Pair prompt_of(const Model& model, std::string_view argument) {
  const auto kind = argument.substr(0, argument.find(':')), rest = argument.substr(kind.size() + 1);
  const auto first = rest.substr(0, rest.find('|')), second = first.size() < rest.size() ? rest.substr(first.size() + 1) : "";
  if (kind == "text") return {model.tokenize(rest, {.add_special = true}), 0};
  if (kind == "rank") return model.render_pair(first, second);
  Pair pair{ids(first), 0};
  if (kind == "pair") pair.second = static_cast<int>(pair.prompt.size());
  for (const auto id : ids(second)) pair.prompt.push_back(id);
  return pair;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 5) return std::fprintf(stderr, "usage: embed_tool MODEL VARIANT PACK PROMPT...\n"), 2;
  auto engine = Engine::open({.threads = 2, .kernels = argv[2], .kernel_pack = argv[3]});
  if (!engine) return std::fprintf(stderr, "%s\n", engine.error().message.c_str()), 1;
  if ((*engine)->status().kernels.variant != argv[2]) return std::fprintf(stderr, "%s\n", (*engine)->status().kernels.warning.c_str()), 77;
  auto model = (*engine)->load(argv[1]);
  if (!model) return std::fprintf(stderr, "%s\n", model.error().message.c_str()), 1;
  std::vector<std::vector<float>> first;
  for (const bool again : {false, true}) {
    std::vector<Reply> replies;
    std::vector<std::size_t> lengths;
    for (int i = 4; i < argc; ++i) {
      auto [prompt, second] = prompt_of(**model, argv[i]);
      lengths.push_back(prompt.size());
      auto reply = (*engine)->submit(*model, {.prompt = std::move(prompt), .output = Output::kEmbedding, .second = second});
      if (!reply) return std::fprintf(stderr, "%s\n", reply.error().message.c_str()), 1;
      replies.push_back(std::move(*reply));
    }
    for (std::size_t i = 0; i < replies.size(); ++i) {
      const auto event = replies[i].next();
      if (event->error) return std::fprintf(stderr, "%s\n", event->error->message.c_str()), 1;
      if (!again) {
        first.push_back(event->embedding);
        continue;
      }
      std::printf("{\"same\": %s, \"tokens\": %zu, \"values\": [", first[i] == event->embedding ? "true" : "false", lengths[i]);
      for (std::size_t j = 0; j < event->embedding.size(); ++j) std::printf("%s%.8g", j ? ", " : "", event->embedding[j]);
      std::printf("]}\n");
    }
  }
  return 0;
}
