// A third-party program: loads a model with the library as it is packaged, and prints which kernels run and the first tokens of an answer.
#include <iostream>

#include <mlxrunner/engine.h>

int main(int, char** argv) {
  const auto engine = mlxr::Engine::open({});
  if (!engine) return std::cerr << engine.error().message << "\n", 1;
  const auto model = (*engine)->load(argv[1], {.context = 256});
  if (!model) return std::cerr << mlxr::error_code_name(model.error().code) << ": " << model.error().message << "\n", 1;
  auto reply =
      (*engine)->submit(*model, {.prompt = (*model)->tokenize("One, two, three,"), .max_tokens = 4, .sampling = {.temperature = 0}});
  if (!reply) return std::cerr << reply.error().message << "\n", 1;
  std::cout << (*engine)->status().kernels.variant << ":";
  while (const auto event = reply->next()) std::cout << event->text;
  std::cout << "\n";
}
