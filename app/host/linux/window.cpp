// The window with GTK 4 and WebKitGTK 6.0, which runs the page in its own, sandboxed process.
#include "app/host/window.h"

#include <webkit/webkit.h>

#include <cstdio>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "app/host/bridge.h"
#include "app/host/daemon_methods.h"
#include "app/host/linux/color_scheme.h"
#include "app/host/page.h"
#include "platform/identity.h"

namespace mlxr::app {
namespace {

constexpr char kHandler[] = "mlxr";  // window.webkit.messageHandlers.mlxr
constexpr int kShowSeconds = 3;      // after this time the page is shown even if it is not ready

void on_ui_thread(std::function<void()> task) {
  g_idle_add_once(
      +[](void* data) {
        const std::unique_ptr<std::function<void()>> owned(static_cast<std::function<void()>*>(data));
        (*owned)();
      },
      new std::function<void()>(std::move(task)));
}

class Window {
 public:
  Window(const WindowOptions& options, GtkApplication* application) : options_(options), application_(application) {}

  void open();
  void present() const { gtk_window_present(window_); }
  bool is_open() const { return window_ != nullptr; }
  void close();
  int status() const { return status_; }

 private:
  void ready(const nlohmann::json& state);
  void not_ready();
  void end(const std::string& failure);
  void serve(WebKitURISchemeRequest* request) const;
  void receive(JSCValue* message, WebKitScriptMessageReply* reply);

  const WindowOptions& options_;
  GtkApplication* application_;
  GtkWindow* window_ = nullptr;
  WebKitWebView* view_ = nullptr;  // null again once the window is closed
  std::optional<Bridge> bridge_;
  bool is_loaded_ = false;
  int status_ = 0;
};

void Window::open() {
  Methods methods = daemon_methods(options_.paths);
  methods["page.ready"] = [this](const nlohmann::json& state, const auto&) {
    on_ui_thread([this, state] { ready(state); });
    return nlohmann::json::object();
  };
  bridge_.emplace(std::move(methods), on_ui_thread);

  WebKitWebContext* context = webkit_web_context_new();
  webkit_web_context_register_uri_scheme(
      context, kScheme, +[](WebKitURISchemeRequest* request, void* self) { static_cast<Window*>(self)->serve(request); }, this, nullptr);
  WebKitUserContentManager* content = webkit_user_content_manager_new();
  g_signal_connect(content, "script-message-with-reply-received::mlxr",
                   G_CALLBACK(+[](WebKitUserContentManager*, JSCValue* message, WebKitScriptMessageReply* reply, void* self) -> gboolean {
                     static_cast<Window*>(self)->receive(message, reply);
                     return TRUE;
                   }),
                   this);
  webkit_user_content_manager_register_script_message_handler_with_reply(content, kHandler, nullptr);

  // Ephemeral: the page stores nothing on the disk.
  WebKitNetworkSession* session = webkit_network_session_new_ephemeral();
  GtkWidget* view = GTK_WIDGET(
      g_object_new(WEBKIT_TYPE_WEB_VIEW, "web-context", context, "network-session", session, "user-content-manager", content, nullptr));
  g_object_unref(session);
  g_object_unref(content);
  g_object_unref(context);

  // The view opens no other address and no new windows.
  g_signal_connect(view, "decide-policy",
                   G_CALLBACK(+[](WebKitWebView*, WebKitPolicyDecision* decision, WebKitPolicyDecisionType type, void*) -> gboolean {
                     if (type == WEBKIT_POLICY_DECISION_TYPE_RESPONSE) return FALSE;  // of an address that was allowed
                     auto* action = webkit_navigation_policy_decision_get_navigation_action(WEBKIT_NAVIGATION_POLICY_DECISION(decision));
                     const char* address = webkit_uri_request_get_uri(webkit_navigation_action_get_request(action));
                     if (type == WEBKIT_POLICY_DECISION_TYPE_NAVIGATION_ACTION && is_page_address(address)) return FALSE;
                     webkit_policy_decision_ignore(decision);
                     return TRUE;
                   }),
                   nullptr);
  // The browser's context menu (back, reload) makes no sense here; the menu for text does.
  g_signal_connect(view, "context-menu", G_CALLBACK(+[](WebKitWebView*, WebKitContextMenu*, WebKitHitTestResult* hit, void*) -> gboolean {
                     return !webkit_hit_test_result_context_is_selection(hit) && !webkit_hit_test_result_context_is_editable(hit);
                   }),
                   nullptr);
  // Once the page is there, an address that it cannot load leaves it as it is.
  g_signal_connect(view, "load-failed", G_CALLBACK(+[](WebKitWebView*, WebKitLoadEvent, char*, GError* error, void* data) -> gboolean {
                     auto* self = static_cast<Window*>(data);
                     if (!self->is_loaded_) self->end(std::string("The page could not be loaded: ") + error->message);
                     return TRUE;
                   }),
                   this);
  g_signal_connect(view, "load-changed", G_CALLBACK(+[](WebKitWebView*, WebKitLoadEvent event, void* self) {
                     if (event == WEBKIT_LOAD_COMMITTED) static_cast<Window*>(self)->is_loaded_ = true;
                   }),
                   this);
  g_signal_connect(view, "web-process-terminated", G_CALLBACK(+[](WebKitWebView*, WebKitWebProcessTerminationReason, void* self) {
                     static_cast<Window*>(self)->end("The process that shows the page ended.");
                   }),
                   this);

  window_ = GTK_WINDOW(gtk_application_window_new(application_));
  gtk_window_set_title(window_, "MLXR");
  gtk_window_set_default_size(window_, 900, 680);
  gtk_window_set_child(window_, view);
  view_ = WEBKIT_WEB_VIEW(view);
  g_object_add_weak_pointer(G_OBJECT(view), reinterpret_cast<void**>(&view_));
  webkit_web_view_load_uri(view_, kStartAddress);

  g_timeout_add_seconds(
      options_.check ? kReadySeconds : kShowSeconds,
      +[](void* data) -> gboolean {
        static_cast<Window*>(data)->not_ready();
        return G_SOURCE_REMOVE;
      },
      this);
}

void Window::close() {
  bridge_.reset();
  if (view_ == nullptr) return;
  // If the page's process is busy, it can outlive this one for minutes.
  g_signal_handlers_disconnect_by_data(view_, this);
  webkit_web_view_terminate_web_process(view_);
  gtk_window_destroy(window_);
}

void Window::ready(const nlohmann::json& state) {
  if (!options_.check) return present();
  std::puts(state.dump(2, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
  g_application_quit(G_APPLICATION(application_));
}

void Window::not_ready() {
  if (options_.check) return end("The page was not ready within " + std::to_string(kReadySeconds) + " s.");
  if (!gtk_widget_get_visible(GTK_WIDGET(window_))) present();
}

void Window::end(const std::string& failure) {
  std::fprintf(stderr, "mlxr: %s\n", failure.c_str());
  status_ = 1;
  g_application_quit(G_APPLICATION(application_));
}

void Window::serve(WebKitURISchemeRequest* request) const {
  auto file = read_page_file(options_.page, webkit_uri_scheme_request_get_uri(request));
  if (!file) {
    GError* error = g_error_new_literal(G_IO_ERROR, G_IO_ERROR_NOT_FOUND, file.error().message.c_str());
    webkit_uri_scheme_request_finish_error(request, error);
    return g_error_free(error);
  }
  GBytes* bytes = g_bytes_new(file->bytes.data(), file->bytes.size());
  GInputStream* stream = g_memory_input_stream_new_from_bytes(bytes);
  webkit_uri_scheme_request_finish(request, stream, static_cast<gint64>(file->bytes.size()), file->type.c_str());
  g_object_unref(stream);
  g_bytes_unref(bytes);
}

void Window::receive(JSCValue* message, WebKitScriptMessageReply* reply) {
  char* text = jsc_value_to_string(message);
  const std::shared_ptr<JSCContext> context(static_cast<JSCContext*>(g_object_ref(jsc_value_get_context(message))), g_object_unref);
  const std::shared_ptr<WebKitScriptMessageReply> kept(webkit_script_message_reply_ref(reply), webkit_script_message_reply_unref);
  bridge_->handle(text, [context, kept](const std::string& answer) {
    JSCValue* value = jsc_value_new_string(context.get(), answer.c_str());
    webkit_script_message_reply_return_value(kept.get(), value);
    g_object_unref(value);
  });
  g_free(text);
}

}  // namespace

int run_window(const WindowOptions& options) {
  if (!gtk_init_check()) {
    std::fputs("mlxr: No display can be opened: neither WAYLAND_DISPLAY nor DISPLAY leads to one.\n", stderr);
    return 1;
  }
  follow_color_scheme();
  // A second instance brings the first window to the front; a check runs independently.
  GtkApplication* application = gtk_application_new(kAppId, options.check ? G_APPLICATION_NON_UNIQUE : G_APPLICATION_DEFAULT_FLAGS);
  Window window(options, application);
  g_signal_connect(application, "activate", G_CALLBACK(+[](GApplication*, void* data) {
                     auto* opened = static_cast<Window*>(data);
                     opened->is_open() ? opened->present() : opened->open();
                   }),
                   &window);
  const int failed = g_application_run(G_APPLICATION(application), 0, nullptr);
  window.close();
  g_object_unref(application);
  return failed != 0 ? failed : window.status();
}

}  // namespace mlxr::app
