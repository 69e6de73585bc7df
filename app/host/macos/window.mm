// AppKit and WKWebView.
#include "app/host/window.h"

#include <dispatch/dispatch.h>

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <optional>
#include <string>

#include "app/host/bridge.h"
#include "app/host/daemon_methods.h"
#include "app/host/macos/appkit.h"
#include "app/host/macos/launch_agent.h"
#include "app/host/macos/menu.h"
#include "app/host/macos/model_folders.h"
#include "app/host/page.h"

namespace {

constexpr int kShowSeconds = 3;  // a page that is not ready by then is shown as it is

void on_ui_thread(std::function<void()> task) {
  dispatch_async(dispatch_get_main_queue(), ^{
    task();
  });
}

NSString* to_ns(const std::string& text) { return [NSString stringWithUTF8String:text.c_str()]; }

std::string address_of(NSURLRequest* request) {
  const char* text = request.URL.absoluteString.UTF8String;
  return text != nullptr ? text : "";
}

// The page itself, not a frame in it and not another origin.
bool is_the_page(WKFrameInfo* frame) { return frame.mainFrame && mlxr::app::is_page_address(address_of(frame.request)); }

}  // namespace

@interface MLXRApplication : NSObject <NSApplicationDelegate, WKNavigationDelegate, WKScriptMessageHandlerWithReply, WKURLSchemeHandler>
- (instancetype)initWithOptions:(const mlxr::app::WindowOptions&)options;
@end

@implementation MLXRApplication {
  mlxr::app::WindowOptions _options;
  std::optional<mlxr::app::Bridge> _bridge;
  NSWindow* _window;
  BOOL _isLoaded;
}

- (instancetype)initWithOptions:(const mlxr::app::WindowOptions&)options {
  if ((self = [super init])) _options = options;
  return self;
}

// Life of the application

- (void)applicationDidFinishLaunching:(NSNotification*)notification {
  auto methods = mlxr::app::daemon_methods(_options.paths, mlxr::app::start_by_launchd);
  mlxr::app::restore_model_folders();
  methods.merge(mlxr::app::model_folder_methods());
  methods["page.ready"] = [self](const nlohmann::json& state, const auto&) {
    on_ui_thread([self, state] { [self pageIsReady:state]; });
    return nlohmann::json::object();
  };
  _bridge.emplace(std::move(methods), on_ui_thread);
  [self makeWindow];

  const int seconds = _options.check ? mlxr::app::kReadySeconds : kShowSeconds;
  dispatch_after(dispatch_time(DISPATCH_TIME_NOW, seconds * static_cast<int64_t>(NSEC_PER_SEC)), dispatch_get_main_queue(), ^{
    [self pageIsLate];
  });
}

- (void)applicationWillTerminate:(NSNotification*)notification {
  _bridge.reset();
}

- (BOOL)applicationShouldTerminateAfterLastWindowClosed:(NSApplication*)application {
  return YES;
}

- (BOOL)applicationSupportsSecureRestorableState:(NSApplication*)application {
  return YES;
}

- (void)exitWithStatus:(int)status {
  _bridge.reset();
  std::exit(status);
}

- (void)failWith:(const std::string&)message {
  std::fprintf(stderr, "mlxr: %s\n", message.c_str());
  [self exitWithStatus:1];
}

// The menu

// A sandboxed app cannot write to /usr/local. Terminal runs the script, which asks for the password once.
- (void)installCommandLineTool:(id)sender {
  NSURL* script = [NSBundle.mainBundle URLForResource:@"install-mlx" withExtension:@"command"];
  if (script != nil && [NSWorkspace.sharedWorkspace openURL:script]) return;
  NSAlert* alert = [[NSAlert alloc] init];
  alert.messageText = @"The command line tool could not be installed.";
  alert.informativeText = script != nil ? @"Terminal could not be opened." : @"This copy of MLXR has no installer for it.";
  [alert runModal];
}

// The window

- (void)makeWindow {
  WKWebViewConfiguration* configuration = [[WKWebViewConfiguration alloc] init];
  configuration.websiteDataStore = [WKWebsiteDataStore nonPersistentDataStore];  // the page leaves nothing on the disk
  [configuration setURLSchemeHandler:self forURLScheme:to_ns(mlxr::app::kScheme)];
  [configuration.userContentController addScriptMessageHandlerWithReply:self contentWorld:WKContentWorld.pageWorld name:@"mlxr"];

  const NSRect frame = NSMakeRect(0, 0, 900, 680);
  WKWebView* view = [[WKWebView alloc] initWithFrame:frame configuration:configuration];
  view.navigationDelegate = self;

  const auto style = NSWindowStyleMaskTitled | NSWindowStyleMaskClosable | NSWindowStyleMaskMiniaturizable | NSWindowStyleMaskResizable;
  _window = [[NSWindow alloc] initWithContentRect:frame styleMask:style backing:NSBackingStoreBuffered defer:NO];
  _window.releasedWhenClosed = NO;  // ARC releases it
  _window.title = @"MLXR";
  _window.contentView = view;
  _window.contentMinSize = NSMakeSize(420, 320);
  if (![_window setFrameUsingName:@"MLXR"]) [_window center];
  [_window setFrameAutosaveName:@"MLXR"];
  [view loadRequest:[NSURLRequest requestWithURL:[NSURL URLWithString:to_ns(mlxr::app::kStartAddress)]]];
}

- (void)showWindow {
  [_window makeKeyAndOrderFront:nil];
  [NSApplication.sharedApplication activate];
}

- (void)pageIsReady:(const nlohmann::json&)state {
  if (!_options.check) return [self showWindow];
  std::puts(state.dump(2, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
  [self exitWithStatus:0];
}

- (void)pageIsLate {
  if (_options.check) return [self failWith:"The page was not ready within " + std::to_string(mlxr::app::kReadySeconds) + " s."];
  if (!_window.visible) [self showWindow];
}

// The page: serves its files and refuses every other address

- (void)webView:(WKWebView*)view startURLSchemeTask:(id<WKURLSchemeTask>)task {
  const auto file = mlxr::app::read_page_file(_options.page, address_of(task.request));
  if (!file) {
    NSDictionary* info = @{NSLocalizedDescriptionKey : to_ns(file.error().message)};
    return [task didFailWithError:[NSError errorWithDomain:@"MLXR" code:1 userInfo:info]];
  }
  NSDictionary* fields = @{@"Content-Type" : to_ns(file->type)};
  [task didReceiveResponse:[[NSHTTPURLResponse alloc] initWithURL:task.request.URL
                                                       statusCode:200
                                                      HTTPVersion:@"HTTP/1.1"
                                                     headerFields:fields]];
  [task didReceiveData:[NSData dataWithBytes:file->bytes.data() length:file->bytes.size()]];
  [task didFinish];
}

- (void)webView:(WKWebView*)view stopURLSchemeTask:(id<WKURLSchemeTask>)task {
  // Each has ended in startURLSchemeTask.
}

- (void)webView:(WKWebView*)view
    decidePolicyForNavigationAction:(WKNavigationAction*)action
                    decisionHandler:(void (^)(WKNavigationActionPolicy))decisionHandler {
  const bool own = mlxr::app::is_page_address(address_of(action.request));
  decisionHandler(own ? WKNavigationActionPolicyAllow : WKNavigationActionPolicyCancel);
}

- (void)webView:(WKWebView*)view didCommitNavigation:(WKNavigation*)navigation {
  _isLoaded = YES;
}

// Once the page is there, an address that it cannot load leaves it as it is.
- (void)webView:(WKWebView*)view didFailProvisionalNavigation:(WKNavigation*)navigation withError:(NSError*)error {
  if (!_isLoaded) [self failWith:std::string("The page could not be loaded: ") + error.localizedDescription.UTF8String];
}

- (void)webViewWebContentProcessDidTerminate:(WKWebView*)view {
  [self failWith:"The process that shows the page ended."];
}

- (void)userContentController:(WKUserContentController*)controller
      didReceiveScriptMessage:(WKScriptMessage*)message
                 replyHandler:(void (^)(id reply, NSString* errorMessage))replyHandler {
  if (!is_the_page(message.frameInfo)) return replyHandler(nil, @"Only MLXR's own page may use the bridge.");
  if (![message.body isKindOfClass:[NSString class]]) return replyHandler(nil, @"A message is a string of JSON.");
  void (^reply)(id, NSString*) = [replyHandler copy];
  _bridge->handle(static_cast<NSString*>(message.body).UTF8String, [reply](const std::string& answer) { reply(to_ns(answer), nil); });
}

@end

namespace mlxr::app {

int run_window(const WindowOptions& options) {
  @autoreleasepool {
    NSApplication* application = NSApplication.sharedApplication;
    static MLXRApplication* delegate;  // the application holds it weakly, and ends the program in run
    delegate = [[MLXRApplication alloc] initWithOptions:options];
    application.delegate = delegate;
    [application setActivationPolicy:options.check ? NSApplicationActivationPolicyProhibited : NSApplicationActivationPolicyRegular];
    make_menu_bar();
    [application run];
    return 0;
  }
}

}  // namespace mlxr::app
