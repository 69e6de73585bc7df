# Every target is a script or a preset: see scripts/.
.PHONY: help run test bench lint lint-actions format clean distclean asan tsan fuzz cross-arm64-linux cross-macos package-linux release verify-release

help:  ## Show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
run:  ## Set up, build, fetch the starter model, chat (PROMPT="…": one answer)
	@scripts/run
test:  ## Every test (LABEL=kv: one room of ctest; TESTS=tests/cli: some of pytest)
	@scripts/test dev
bench:  ## Speed beside llama.cpp's, which it builds first (see bench/README.md)
	@scripts/bench
asan:  ## The C++ tests under AddressSanitizer and UBSan
	@LABEL='$(or $(LABEL),.)' scripts/test asan
tsan:  ## The C++ tests under ThreadSanitizer
	@LABEL='$(or $(LABEL),.)' scripts/test tsan
fuzz:  ## Feed hostile bytes to what reads them (SECONDS=30: each fuzzer for so long)
	@scripts/fuzz $(or $(SECONDS),30)
lint:  ## Check the layout of C++ and documentation, and shell and Python for mistakes
	@scripts/lint
lint-actions:  ## Check the workflows of GitHub Actions
	@scripts/lint-actions
format:  ## Lay out the source
	@scripts/lint --fix
cross-arm64-linux:  ## Build for Linux arm64 and test under qemu
	@scripts/cross-arm64-linux
cross-macos:  ## Build for macOS 14 arm64, from Linux, and check the programs' format
	@scripts/cross-macos
release:  ## Make a release: everything for macOS and Linux, signed (MLXR_CHANNEL=beta: of that channel, see docs/release.md)
	@scripts/release $(ARGUMENTS)
verify-release:  ## Check what `make release` made, with tools that we did not write
	@scripts/verify-release
package-linux:  ## Make the .deb and .tar.zst packages in build/release-artefacts
	@scripts/package-linux
clean:  ## Remove what was built (.deps, with what was set up, stays)
	rm -rf build
distclean: clean  ## Remove .deps too; docs/contributing.md says what then still is on this machine
	rm -rf .deps
