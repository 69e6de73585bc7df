#include "app/host/linux/color_scheme.h"

#include <gtk/gtk.h>

#include <string_view>

namespace mlxr::app {
namespace {

constexpr char kSchema[] = "org.gnome.desktop.interface";
constexpr char kKey[] = "color-scheme";

void apply(GSettings* settings) {
  char* scheme = g_settings_get_string(settings, kKey);
  g_object_set(gtk_settings_get_default(), "gtk-application-prefer-dark-theme", scheme == std::string_view("prefer-dark"), nullptr);
  g_free(scheme);
}

}  // namespace

void follow_color_scheme() {
  // GSettings ends a program that asks for a schema which is not installed.
  GSettingsSchemaSource* source = g_settings_schema_source_get_default();
  GSettingsSchema* schema = source != nullptr ? g_settings_schema_source_lookup(source, kSchema, TRUE) : nullptr;
  if (schema == nullptr) return;
  if (g_settings_schema_has_key(schema, kKey)) {
    GSettings* settings = g_settings_new(kSchema);  // for as long as the program lives
    g_signal_connect(settings, "changed::color-scheme", G_CALLBACK(+[](GSettings* changed, const char*, void*) { apply(changed); }),
                     nullptr);
    apply(settings);
  }
  g_settings_schema_unref(schema);
}

}  // namespace mlxr::app
