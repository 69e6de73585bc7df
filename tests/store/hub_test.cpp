// The model hub, simulated by fixtures.py: the choice of files, messages, and false answers of the hub.
#include "store/hub.h"

#include <algorithm>

#include "store/descriptions.h"
#include "store/model_details.h"
#include "store/offers.h"
#include "store/source.h"
#include "tests/store/pull_fixture.h"

namespace mlxr::store {
namespace {

class HubTest : public PullTest {
 protected:
  Result<Offer> offer(const std::string& text) { return store_->offer(ModelRef::parse(text, PathRule::kNever).value()); }
  Result<ModelRecord> as_record(const Result<Offer>& offer) { return offer ? Result<ModelRecord>(ModelRecord{}) : fail(offer.error()); }
  void expect_whole_shards(const Result<ModelRecord>& record) {
    ASSERT_TRUE(record) << record.error().message;
    EXPECT_TRUE(store_->resolve_name(record->name));
    EXPECT_FALSE(fs::exists(record->file.parent_path() / ".partial"));
  }
};

TEST(Hub, ReadsTheQuantizationOfAFileName) {
  const std::pair<const char*, const char*> names[] = {
      {"Qwen3-8B-Q4_K_M.gguf", "Q4_K_M"},
      {"SmolLM2-135M-Instruct.Q4_1.gguf", "Q4_1"},
      {"model-q8_0.gguf", "Q8_0"},
      {"Llama-UD-Q4_K_XL.gguf", "UD-Q4_K_XL"},
      {"a-IQ3_M.gguf", "IQ3_M"},
      {"a.F16.gguf", "F16"},
      {"a-bf16.gguf", "BF16"},
      {"gpt-oss-20b-mxfp4.gguf", "MXFP4"},
      {"gemma-4-E2B_q4_0-it.gguf", "Q4_0"},
      {"x-Q4_K_M-00001-of-00002.gguf", "Q4_K_M"},
      {"whatever.gguf", ""},
      {"Q4U-tips.gguf", ""},
      {"Replete-LLM-V2.5-Qwen-32b-IQ4_NL.gguf", "IQ4_NL"},  // ollama#7365: a scheme that other hubs' clients do not know
      {"BTL-3-Compact-AVQ2.gguf", ""},                      // PortOS#2910: part of a word is no quantization
  };
  for (const auto& [name, quantization] : names) EXPECT_EQ(quantization_of(name), quantization) << name;
}

TEST_F(HubTest, ChoosesASensibleQuantizationAndSaysSo) {
  const auto chosen = offer("hf:tests/tiny-gguf");
  ASSERT_TRUE(chosen) << chosen.error().message;
  EXPECT_EQ(chosen->name, "tiny:Q4_K_M");
  EXPECT_EQ(chosen->publisher, "tests");
  EXPECT_EQ(chosen->license, "apache-2.0");
  EXPECT_EQ(chosen->size, fs::file_size(fixtures / "model.gguf"));
  EXPECT_EQ(chosen->sha256, platform::hash_file(fixtures / "model.gguf").value());
  ASSERT_EQ(chosen->notices.size(), 1u);
  EXPECT_EQ(chosen->notices.front(), "Chose Q4_K_M of hf:tests/tiny-gguf. Also there: Q8_0, F16.");
}

TEST_F(HubTest, PullsFromTheCommitThatWasRead) {
  const auto record = store_->pull("hf:tests/tiny-gguf:q8_0");
  expect_whole(record);
  EXPECT_EQ(record->name, "tiny:Q8_0");
  EXPECT_EQ(record->source, "hf:tests/tiny-gguf@c0ffee0000000000000000000000000000000000/tiny-Q8_0.gguf");
  // What `pull` took, `run` takes too.
  for (const char* text : {"hf:tests/tiny-gguf", "hf:tests/tiny-gguf:Q8_0", "hf.co/tests/tiny-gguf",
                           "https://huggingface.co/tests/tiny-gguf/blob/main/tiny-Q8_0.gguf"}) {
    const auto found = store_->resolve(ModelRef::parse(text, PathRule::kNever).value());
    ASSERT_TRUE(found) << text << ": " << found.error().message;
    EXPECT_EQ(found->name, "tiny:Q8_0");
  }
  EXPECT_FALSE(store_->resolve(ModelRef::parse("hf:tests/tiny-gguf:F16", PathRule::kNever).value()));
}

TEST_F(HubTest, ThePageOfAFileIsItsDownload) {
  expect_whole(store_->pull(address("/hub/tests/tiny-gguf/blob/main/tiny-F16.gguf")));
  EXPECT_TRUE(store_->find("tiny:F16"));
}

TEST_F(HubTest, ASecondRepositoryOfTheSameNameIsAnotherModel) {
  expect_whole(store_->pull("hf:tests/tiny-gguf", {.name = "mine"}));
  expect_error(store_->pull("hf:tests/lies-hash", {.name = "mine"}), ErrorCode::kAlreadyExists, "hf:tests/tiny-gguf@");
}

TEST_F(HubTest, SaysTheLicenseOrThatItIsUnknown) {
  const auto named = offer("hf:tests/single");
  ASSERT_TRUE(named) << named.error().message;
  EXPECT_EQ(named->license, "tiny-terms");
  EXPECT_EQ(named->license_url, address("/hub/tests/single/blob/main/LICENSE.md"));
  const auto unknown = offer("hf:tests/unlicensed");
  ASSERT_TRUE(unknown) << unknown.error().message;
  EXPECT_THAT(unknown->notices.back(), HasSubstr("does not know the license"));
  EXPECT_THAT(unknown->notices.back(), HasSubstr(address("/hub/tests/unlicensed")));
}

TEST_F(HubTest, ListsWhatThereIsWhenTheWishIsUnclear) {
  expect_error(as_record(offer("hf:tests/tiny-gguf:Q2_K")), ErrorCode::kNotFound, "It has: Q8_0 (0.0 GB), Q4_K_M (0.0 GB), F16 (0.0 GB).");
  expect_error(as_record(offer("hf:tests/odd")), ErrorCode::kNotFound, "It has: Q2_K");
  expect_error(as_record(offer("hf:tests/twins")), ErrorCode::kNotFound, "hf:tests/twins/b-Q4_K_M.gguf");
  expect_error(as_record(offer("hf:tests/weights")), ErrorCode::kNotFound, "has no .gguf file");
  expect_error(as_record(offer("hf:tests/nothing")), ErrorCode::kPermission, "has no repository tests/nothing");
  expect_error(as_record(offer("hf:tests/tiny-gguf@v9")), ErrorCode::kPermission, "with the revision v9");
}

// llama.cpp#25152: COMPACT fits two files, and another than the installed one was downloaded without a word.
TEST_F(HubTest, AWordOfSeveralFileNamesChoosesNone) {
  expect_error(as_record(offer("hf:tests/letters:COMPACT")), ErrorCode::kNotFound,
               "It has: step-Compact.gguf (0.0 GB), step-I-Compact.gguf");
  const auto named = offer("hf:tests/letters/step-I-Compact.gguf");
  ASSERT_TRUE(named) << named.error().message;
  EXPECT_EQ(named->file, "step-I-Compact.gguf");
}

// llama.cpp#27201: a draft of the same quantization lies beside the model.
TEST_F(HubTest, ADraftIsNotTheModel) {
  const auto chosen = offer("hf:tests/drafts:Q6_K");
  ASSERT_TRUE(chosen) << chosen.error().message;
  EXPECT_EQ(chosen->file, "tiny-Q6_K.gguf");
}

TEST_F(HubTest, ASplitModelIsPulledAndRemovedWithAllItsShards) {
  for (const char* text : {"hf:tests/split", "hf:tests/split:Q4_K_M", "hf:tests/split/Q4_K_M/big-Q4_K_M-00002-of-00003.gguf"}) {
    const auto offered = offer(text);
    ASSERT_TRUE(offered) << offered.error().message;
    EXPECT_EQ(offered->name, "split:Q4_K_M");
    EXPECT_EQ(offered->shards.size(), 3u);
  }
  const auto offered = offer("hf:tests/split").value();
  const auto record = store_->pull(offered);
  ASSERT_TRUE(record) << record.error().message;
  EXPECT_EQ(record->file.filename(), "big-Q4_K_M-00001-of-00003.gguf");
  EXPECT_EQ(record->size, offered.size);
  EXPECT_EQ(record->sha256, offered.sha256);
  EXPECT_EQ(record->parameters, 262144u);
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(record->file.parent_path())) names.push_back(entry.path().filename().string());
  EXPECT_EQ(names.size(), 6u) << testing::PrintToString(names);  // each with its .sha256
  EXPECT_TRUE(offer("hf:tests/split")->installed);
  EXPECT_EQ(store_->open_model(ModelRef::parse("split:Q4_K_M", PathRule::kNever).value())->files.files().size(), 3u);
  ASSERT_TRUE(store_->remove("split:Q4_K_M"));
  EXPECT_TRUE(fs::is_empty(paths_.models));
}

// Of a server that ignores ranges (the hub here), and of one that has them.
TEST_F(HubTest, TheDescriptionOfAModelIsFetchedWithoutItsWeights) {
  for (const auto& text : {std::string("hf:tests/split"), address("/good/model.gguf")}) {
    const auto offered = offer(text).value();
    const auto folder = temporary_folder();
    const auto first = fetch_descriptions(offered, folder, {.allow_plain_http = true});
    ASSERT_TRUE(first) << first.error().message;
    std::uint64_t bytes = 0, files = 0;
    for (const auto& entry : fs::directory_iterator(folder)) ++files, bytes += entry.file_size();
    EXPECT_EQ(bytes, offered.size);
    EXPECT_EQ(files, std::max<std::size_t>(offered.shards.size(), 1));
    EXPECT_EQ(first->filename(), offered.file);
    ModelRecord record;
    record.file = *first;
    EXPECT_TRUE(read_details(record));
    EXPECT_EQ(record.parameters, 262144u);
    fs::remove_all(folder);
  }
}

TEST_F(HubTest, TheBeginningOfAFileIsReadInPieces) {
  const auto model = platform::read_file(fixtures / "model.gguf", 1 << 24).value();
  for (const auto* way : {"good", "ignores"}) {  // the second sends the whole file each time
    const auto source = Source::parse(address("/" + std::string(way) + "/model.gguf")).value();
    std::string bytes;
    for (const std::uint64_t end : {1000u, 5000u, 70000u}) {
      ASSERT_TRUE(source->read_beginning(bytes, end, {.allow_plain_http = true})) << way;
      EXPECT_EQ(bytes, model.substr(0, end)) << way;
    }
  }
}

TEST_F(HubTest, TheAddressOfAnyShardNamesTheModel) {
  const auto record = store_->pull(address("/shards/big-Q4_K_M-00002-of-00003.gguf"));
  ASSERT_TRUE(record) << record.error().message;
  EXPECT_EQ(record->name, "big-Q4_K_M");
  expect_whole_shards(record);
  expect_error(as_record(offer(address("/shards/big-Q4_K_M-00001-of-00004.gguf"))), ErrorCode::kNotFound, "404");
}

TEST_F(HubTest, AShardThatArrivedIsNotFetchedAgain) {
  const auto offered = offer("hf:tests/split").value();
  std::atomic<bool> cancelled = false;
  const auto stop_at_the_second = [&](const Progress& progress) { cancelled = progress.item == "big-Q4_K_M-00002-of-00003.gguf"; };
  const auto stopped = store_->pull(offered, {.progress = stop_at_the_second, .cancelled = &cancelled});
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().code, ErrorCode::kCancelled);
  ASSERT_EQ(store_->leftovers().size(), 1u);
  EXPECT_EQ(store_->leftovers().front().name, "split:Q4_K_M");
  EXPECT_GE(store_->leftovers().front().size, offered.shards[0].size);
  fs::remove(fixtures / "hub.log");
  expect_whole_shards(store_->pull(offered));
  EXPECT_THAT(platform::read_file(fixtures / "hub.log", 4096).value(), Not(HasSubstr("00001-of")));
  store_->remove("split:Q4_K_M").value();
}

TEST_F(HubTest, AnUnfinishedDownloadOfShardsIsRemovedByItsName) {
  std::atomic<bool> cancelled = false;
  const auto stop_at_the_second = [&](const Progress& progress) { cancelled = progress.item == "big-Q4_K_M-00002-of-00003.gguf"; };
  ASSERT_FALSE(store_->pull(offer("hf:tests/split").value(), {.progress = stop_at_the_second, .cancelled = &cancelled}));
  ASSERT_TRUE(store_->remove("split:Q4_K_M"));
  EXPECT_TRUE(fs::is_empty(paths_.models));
}

TEST_F(HubTest, ADamagedShardIsFound) {
  const auto record = store_->pull("hf:tests/split").value();
  const auto second = record.file.parent_path() / "big-Q4_K_M-00002-of-00003.gguf";
  std::fstream(second, std::ios::in | std::ios::out | std::ios::binary).seekp(-1, std::ios::end).put('?');
  expect_error(store_->resolve_name("split:Q4_K_M"), ErrorCode::kCorrupt, "or another shard, has changed");
  fs::remove(second);
  expect_error(store_->resolve_name("split:Q4_K_M"), ErrorCode::kNotFound, "big-Q4_K_M-00002-of-00003.gguf");
  expect_whole_shards(store_->pull("hf:tests/split"));
}

TEST_F(HubTest, FilesThatAreOnlyCalledShardsAreNotOneModel) {
  expect_error(store_->pull("hf:tests/mixed"), ErrorCode::kCorrupt, "does not say which (split.no)");
  EXPECT_EQ(store_->leftovers().size(), 2u);  // in quarantine
}

TEST_F(HubTest, WhatCannotRunIsRefusedByNameBeforeTheDownload) {
  expect_error(as_record(offer("hf:tests/halved")), ErrorCode::kUnsupported, "lacks big-Q4_K_M-00003-of-00003.gguf");
  expect_error(as_record(offer("hf:tests/foreign")), ErrorCode::kUnsupported, "architecture mamba");
}

TEST_F(HubTest, TheTokenGoesToTheHubAndNowhereElse) {
  expect_error(store_->pull("hf:tests/gated"), ErrorCode::kPermission, "HTTP 403");
  ::setenv("HF_TOKEN", "hf_secret", 1);
  const auto record = store_->pull("hf:tests/gated");
  ::unsetenv("HF_TOKEN");
  expect_whole(record);
  EXPECT_THAT(fetch("/authorizations/gated"), HasSubstr("Bearer hf_secret"));
  EXPECT_EQ(fetch("/authorizations/storage"), "[null]\n");
}

TEST_F(HubTest, LiesAreNoticed) {
  expect_error(store_->pull("hf:tests/lies-size"), ErrorCode::kCorrupt, "should have");
  expect_error(store_->pull("hf:tests/lies-hash"), ErrorCode::kCorrupt, "its SHA-256 is");
  expect_error(store_->pull("hf:tests/lies-page"), ErrorCode::kCorrupt, "is a web page");
  expect_error(store_->pull("hf:tests/lies-endless"), ErrorCode::kCorrupt, "its source sends more");
  expect_error(store_->pull("hf:tests/lies-circle"), ErrorCode::kNetwork, "redirects without end");
  expect_error(as_record(offer("hf:tests/broken")), ErrorCode::kCorrupt, "did not answer like a model hub");
  EXPECT_TRUE(store_->list()->empty());
}

}  // namespace
}  // namespace mlxr::store
