// Follows the desktop's dark mode, which GTK does not do by itself.
#pragma once

namespace mlxr::app {

// Call this after gtk_init. GTK, and with it the page's prefers-color-scheme, then follows the desktop's setting, if there is one.
void follow_color_scheme();

}  // namespace mlxr::app
