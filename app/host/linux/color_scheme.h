// Dark where the desktop is: GTK by itself does not ask.
#pragma once

namespace mlxr::app {

// After gtk_init: from now on GTK, and with it the page's prefers-color-scheme, follows the desktop's setting, where there is one.
void follow_color_scheme();

}  // namespace mlxr::app
