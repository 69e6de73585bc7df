// The menu bar. Without it, Cmd-Q and Cmd-C do nothing, because AppKit looks up key equivalents there.
#pragma once

namespace mlxr::app {

void make_menu_bar();

}  // namespace mlxr::app
