// normalize_lines NORMALIZER: prints each line of stdin after the normalizer, which is JSON as in tokenizer.json. The differential test
// drives it.
#include <cstdio>
#include <iostream>
#include <string>

#include "core/text/huggingface_rules.h"

int main(int argc, char** argv) {
  if (argc != 2) return std::fputs("usage: normalize_lines NORMALIZER < lines\n", stderr), 2;
  const auto rules = mlxr::text::word_rules_from_json(R"({"normalizer": )" + std::string(argv[1]) + "}");
  if (!rules) return std::fprintf(stderr, "%s\n", rules.error().message.c_str()), 1;
  for (std::string line; std::getline(std::cin, line);) std::cout << rules->normalizer.apply(line) << '\n';
}
