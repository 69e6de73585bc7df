// Many clients at once, with random lengths, in an arena that is too small for them, some of whom go away: every answer is, token for
// token, the one that its request gets alone. MLXR_STRESS_SECONDS sets how long it lasts (default: 2).
#include <gtest/gtest.h>
#include <mlxrunner/engine.h>

#include <atomic>
#include <cstdlib>
#include <random>
#include <thread>

#include "core/ops/pack.h"
#include "tests/core/engine/tiny_model.h"
#include "tests/platform/temporary_folder.h"

namespace mlxr {
namespace {

using namespace std::chrono_literals;

constexpr int kClients = 32, kRequests = 40;

Request random_request(std::mt19937& random) {
  const auto below = [&](unsigned n) { return random() % n; };
  Request request{.max_tokens = static_cast<int>(1 + below(60)), .ignore_end = true};
  const auto shared = below(3) * 35;  // some begin with the same tokens
  for (unsigned i = 0, n = shared + 1 + below(120); i < n; ++i) request.prompt.push_back(static_cast<TokenId>(i < shared ? i : below(250)));
  request.sampling = {.temperature = below(2) ? 0.0f : 1.0f, .top_k = below(2) ? 0 : 20, .seed = random()};
  if (below(4) == 0) request.sampling.repeat_penalty = 1.2f;
  if (below(4) == 0) request.top_logprobs = 3;
  return request;
}

struct Answer {
  std::string text;
  std::vector<TokenId> tokens;
  bool operator==(const Answer&) const = default;
};

// The whole answer, or nothing when the client leaves after this many events.
std::optional<Answer> read(Reply reply, unsigned leaves_after) {
  Answer answer;
  for (unsigned events = 0;; ++events) {
    if (events == leaves_after) return std::nullopt;
    const auto event = reply.next();
    if (!event) return answer;
    EXPECT_FALSE(event->error) << event->error->message;
    answer.text += event->text;
    for (const auto& token : event->tokens) answer.tokens.push_back(token.id);
  }
}

// A variant of the kernel pack, or "mlx", and the window of every other layer.
class Stress : public ::testing::TestWithParam<std::tuple<const char*, std::uint32_t>> {};

TEST_P(Stress, EveryAnswerIsTheOneThatItsRequestGetsAlone) {
  const auto& [variant, window] = GetParam();
  const auto pack = ops::KernelPack::load(std::getenv("MLXR_KERNEL_PACK"), variant, 1);
  if (variant != std::string("mlx") && !pack && pack.error().code == ErrorCode::kUnsupported) GTEST_SKIP() << pack.error().message;
  platform::TemporaryFolder folder;
  write_tiny_model(folder.path / "m.gguf", window == 0 ? TinyShape{.heads = 4, .kv_heads = 2} : tiny_with_windows(window));
  const auto engine = Engine::open({.threads = 2,
                                    .max_batch_tokens = 64,
                                    .kv_bytes = 60 * kTinyBlockBytes,
                                    .kernels = variant,
                                    .kernel_pack = std::getenv("MLXR_KERNEL_PACK")})
                          .value();
  ASSERT_EQ(engine->status().kernels.variant, variant) << engine->status().kernels.warning;
  const auto model = engine->load(folder.path / "m.gguf").value();

  std::mt19937 random(1);
  std::vector<Request> requests;
  std::vector<Answer> alone;
  for (int i = 0; i < kRequests; ++i) {
    requests.push_back(random_request(random));
    alone.push_back(read(engine->submit(model, requests.back()).value(), -1u).value());
  }
  const char* length = std::getenv("MLXR_STRESS_SECONDS");
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(length ? std::atoi(length) : 2);
  std::atomic<int> whole{0}, wrong{0};
  const auto client = [&](unsigned seed) {
    std::mt19937 own(seed);
    while (std::chrono::steady_clock::now() < end || whole <= kClients) {  // with fewer, this shows nothing
      const auto which = own() % kRequests;
      const auto answer = read(engine->submit(model, requests[which]).value(), own() % 3 == 0 ? own() % 20 : -1u);
      if (!answer) continue;
      ++whole;
      if (*answer != alone[which]) ++wrong;
    }
  };
  std::vector<std::jthread> clients;
  for (unsigned i = 0; i < kClients; ++i) clients.emplace_back(client, i);
  clients.clear();
  EXPECT_EQ(wrong, 0) << "of " << whole;
  const auto idle_by = std::chrono::steady_clock::now() + 60s;
  while (engine->status().running + engine->status().waiting > 0 && std::chrono::steady_clock::now() < idle_by) std::this_thread::yield();
  EXPECT_EQ(engine->status().running + engine->status().waiting, 0) << "no session is left behind";
}

INSTANTIATE_TEST_SUITE_P(
    Variants, Stress, ::testing::Combine(::testing::Values("mlx", "scalar", "avx2", "avx512", "amx", "neon"), ::testing::Values(0u, 40u)),
    [](const auto& test) { return std::string(std::get<0>(test.param)) + (std::get<1>(test.param) == 0 ? "" : "_windows"); });

}  // namespace
}  // namespace mlxr
