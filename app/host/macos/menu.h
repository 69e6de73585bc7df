// The menu bar. Without one, Cmd-Q and Cmd-C do nothing: AppKit finds what a key means there.
#pragma once

namespace mlxr::app {

void make_menu_bar();

}  // namespace mlxr::app
