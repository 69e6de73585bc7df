// bench_decode MODEL TOKENS [THREADS]: loads a model and generates this many tokens after a prompt of 16, always the most likely. Prints
// nothing: bench/instructions.py counts what the program costs.
#include <mlxrunner/engine.h>

#include <cstdio>
#include <cstdlib>
#include <numeric>

int main(int argc, char** argv) {
  if (argc < 3) return std::fprintf(stderr, "usage: bench_decode MODEL TOKENS [THREADS]\n"), 2;
  const auto failed = [](const mlxr::Error& error) { return std::fprintf(stderr, "bench_decode: %s\n", error.message.c_str()), 1; };
  auto engine = mlxr::Engine::open({.threads = argc > 3 ? std::atoi(argv[3]) : 0});
  if (!engine) return failed(engine.error());
  auto model = (*engine)->load(argv[1], {.context = 512});
  if (!model) return failed(model.error());

  mlxr::Request request{.max_tokens = std::atoi(argv[2]), .ignore_end = true};
  request.prompt.resize(16);
  std::iota(request.prompt.begin(), request.prompt.end(), 300);
  request.sampling.temperature = 0;
  auto reply = (*engine)->submit(*model, request);
  if (!reply) return failed(reply.error());
  while (const auto event = reply->next()) {
    if (event->error) return failed(*event->error);
  }
}
