// Prints each line of stdin in the normal form NFC. The differential test drives it.
#include <iostream>
#include <string>

#include "core/text/normalize.h"

int main() {
  for (std::string line; std::getline(std::cin, line);) std::cout << mlxr::text::to_nfc(line) << '\n';
}
