// bench_sampler [MILLISECONDS]: microseconds that choosing one token costs on one thread, for the vocabularies of SmolLM2, Qwen2.5 and
// Gemma 3 and for the options that clients send. Each figure is the median of the calls made in this time (default 200).
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <vector>

#include "core/decode/sampler.h"

namespace {

using mlxr::Sampling;
using mlxr::TokenId;
using Clock = std::chrono::steady_clock;

struct Case {
  const char* name;
  Sampling options;
  int n_logprobs = -1;  // -1: none
  double allowed = 1;   // the part of the vocabulary that the token mask allows; 1: no mask
};

constexpr Sampling kAll{.temperature = 1, .top_k = 0, .top_p = 1};

Sampling with(void (*change)(Sampling&)) {
  Sampling options = kAll;
  change(options);
  return options;
}

void penalise(Sampling& o) { o.repeat_penalty = 1.1f, o.frequency_penalty = 0.5f, o.presence_penalty = 0.5f; }

std::vector<Case> cases() {
  return {
      {"greedy", with([](Sampling& o) { o.temperature = 0; })},
      {"temperature 1", kAll},
      {"top_p 0.9", with([](Sampling& o) { o.top_p = 0.9f; })},
      {"top_p 0.95", with([](Sampling& o) { o.top_p = 0.95f; })},
      {"min_p 0.05", with([](Sampling& o) { o.min_p = 0.05f; })},
      {"penalties", with(penalise)},
      {"top_k 40", with([](Sampling& o) { o.top_k = 40; })},
      {"top_k 40, top_p 0.9", Sampling{}},
      {"5 logprobs", kAll, 5},
      {"5 logprobs, temperature 0.8", with([](Sampling& o) { o.temperature = 0.8f; }), 5},
      {"penalties, top_p 0.9, 5 logprobs", with([](Sampling& o) { penalise(o), o.top_p = 0.9f; }), 5},
      {"top_k 5000, top_p 0.9", with([](Sampling& o) { o.top_k = 5000, o.top_p = 0.9f; })},
      {"mask of 1 in 1000", kAll, -1, 0.001},
      {"mask of 9 in 10", kAll, -1, 0.9},
      {"mask of 9 in 10, top_p 0.9", with([](Sampling& o) { o.top_p = 0.9f; }), -1, 0.9},
  };
}

// Rows like a model's: most tokens around 0, a few far above. Rows without a preference: all around 0.
std::vector<std::vector<float>> rows(std::size_t vocabulary, bool flat) {
  std::mt19937 random(1);
  std::normal_distribution<float> around(0, flat ? 0.1f : 2.5f);
  std::vector<std::vector<float>> all(8, std::vector<float>(vocabulary));
  for (auto& row : all) {
    for (float& logit : row) logit = around(random);
    for (int i = 0; !flat && i < 50; ++i) row[random() % vocabulary] = 18 - 0.2f * static_cast<float>(i);
  }
  return all;
}

double median_microseconds(const Case& c, const std::vector<std::vector<float>>& rows, Clock::duration time) {
  Sampling options = c.options;
  options.seed = 1;
  mlxr::decode::Sampler sampler(options);
  std::vector<TokenId> history(200);
  std::mt19937 random(2);
  for (TokenId& id : history) id = static_cast<TokenId>(random() % rows[0].size());
  std::vector<std::uint32_t> mask;
  if (c.allowed < 1) mask.resize((rows[0].size() + 31) / 32);
  for (std::size_t i = 0; i < 32 * mask.size(); ++i) mask[i / 32] |= std::uint32_t{random() < c.allowed * 0x1p32} << (i % 32);
  std::vector<double> times;
  const auto end = Clock::now() + time;
  for (std::size_t i = 0; Clock::now() < end; ++i) {
    const auto& row = rows[i % rows.size()];
    const auto start = Clock::now();
    const auto id = sampler.sample(row, history, mask);
    if (c.n_logprobs >= 0) sampler.logprobs(*id, c.n_logprobs);
    times.push_back(std::chrono::duration<double, std::micro>(Clock::now() - start).count());
    history.push_back(*id);
  }
  std::nth_element(times.begin(), times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2), times.end());
  return times[times.size() / 2];
}

}  // namespace

int main(int argc, char** argv) {
  const int milliseconds = argc > 1 ? std::atoi(argv[1]) : 200;
  if (milliseconds < 1) return std::fprintf(stderr, "usage: bench_sampler [MILLISECONDS]\n"), 2;
  for (const bool flat : {false, true}) {
    std::printf("%s\n%-34s %10s %10s %10s\n", flat ? "\nno preference" : "like a model's", "microseconds", "49152", "151936", "262144");
    const std::vector<std::vector<float>> small = rows(49152, flat), middle = rows(151936, flat), large = rows(262144, flat);
    for (const Case& c : cases()) {
      std::printf("%-34s", c.name);
      for (const auto* some : {&small, &middle, &large}) {
        std::printf(" %10.1f", median_microseconds(c, *some, std::chrono::milliseconds(milliseconds)));
        std::fflush(stdout);
      }
      std::printf("\n");
    }
  }
}
