// Declares the parts of Apple's interfaces that the window uses, for the cross-build, which does not have Apple's headers. On a Mac this
// file is not used. Types and selectors must match Apple's: a wrong declaration compiles here and then fails on a Mac.
#pragma once

#include <objc/NSObject.h>
#include <objc/objc.h>

using CGFloat = double;
struct CGPoint {
  CGFloat x, y;
};
struct CGSize {
  CGFloat width, height;
};
struct CGRect {
  CGPoint origin;
  CGSize size;
};
using NSRect = CGRect;
using NSSize = CGSize;
inline NSRect NSMakeRect(CGFloat x, CGFloat y, CGFloat w, CGFloat h) { return {{x, y}, {w, h}}; }
inline NSSize NSMakeSize(CGFloat w, CGFloat h) { return {w, h}; }

// Foundation
@class NSData, NSError, NSNotification;
extern "C" NSString* const NSLocalizedDescriptionKey;
@interface NSString : NSObject
+ (instancetype)stringWithUTF8String:(const char*)text;
@property(readonly) const char* UTF8String;
@property(readonly) NSUInteger length;
@end
@interface NSArray<ObjectType> : NSObject
@property(readonly) NSUInteger count;
- (ObjectType)objectAtIndex:(NSUInteger)index;
@end
@interface NSMutableArray<ObjectType> : NSArray <ObjectType>
- (void)addObject:(ObjectType)object;
@end
@interface NSUserDefaults : NSObject
@property(class, readonly, strong) NSUserDefaults* standardUserDefaults;
- (NSArray*)arrayForKey:(NSString*)key;
- (void)setObject:(id)value forKey:(NSString*)key;
@end
enum : NSUInteger {
  NSURLBookmarkResolutionWithSecurityScope = 1 << 10,
  NSURLBookmarkCreationWithSecurityScope = 1 << 11,
  NSURLBookmarkCreationSecurityScopeAllowOnlyReadAccess = 1 << 12,
};
@interface NSURL : NSObject
+ (instancetype)URLWithString:(NSString*)text;
+ (instancetype)URLByResolvingBookmarkData:(NSData*)bookmark
                                   options:(NSUInteger)options
                             relativeToURL:(NSURL*)base
                       bookmarkDataIsStale:(BOOL*)is_stale
                                     error:(NSError**)error;
- (NSData*)bookmarkDataWithOptions:(NSUInteger)options
    includingResourceValuesForKeys:(NSArray*)keys
                     relativeToURL:(NSURL*)base
                             error:(NSError**)error;
- (BOOL)startAccessingSecurityScopedResource;
- (void)stopAccessingSecurityScopedResource;
@property(readonly) NSString* absoluteString;
@property(readonly, copy) NSString* path;
@end
@interface NSBundle : NSObject
@property(class, readonly, strong) NSBundle* mainBundle;
- (NSURL*)URLForResource:(NSString*)name withExtension:(NSString*)extension;
@end
@interface NSURLRequest : NSObject
+ (instancetype)requestWithURL:(NSURL*)url;
@property(readonly) NSURL* URL;
@end
@interface NSURLResponse : NSObject
@end
@interface NSDictionary<KeyType, ObjectType> : NSObject
+ (instancetype)dictionaryWithObjects:(const ObjectType[])objects forKeys:(const KeyType[])keys count:(NSUInteger)count;
@end
@interface NSHTTPURLResponse : NSURLResponse
- (instancetype)initWithURL:(NSURL*)url
                 statusCode:(NSInteger)status
                HTTPVersion:(NSString*)version
               headerFields:(NSDictionary<NSString*, NSString*>*)fields;
@end
@interface NSData : NSObject
+ (instancetype)dataWithBytes:(const void*)bytes length:(NSUInteger)length;
@end
@interface NSError : NSObject
+ (instancetype)errorWithDomain:(NSString*)domain code:(NSInteger)code userInfo:(NSDictionary*)info;
@property(readonly) NSString* localizedDescription;
@end

// AppKit
@class NSApplication;
using NSWindowStyleMask = NSUInteger;
enum : NSUInteger {
  NSWindowStyleMaskTitled = 1,
  NSWindowStyleMaskClosable = 2,
  NSWindowStyleMaskMiniaturizable = 4,
  NSWindowStyleMaskResizable = 8,
};
using NSEventModifierFlags = NSUInteger;
enum : NSUInteger {
  NSEventModifierFlagShift = 1 << 17,
  NSEventModifierFlagOption = 1 << 19,
  NSEventModifierFlagCommand = 1 << 20,
};
enum NSBackingStoreType : NSUInteger { NSBackingStoreBuffered = 2 };
enum NSApplicationActivationPolicy : NSInteger {
  NSApplicationActivationPolicyRegular = 0,
  NSApplicationActivationPolicyProhibited = 2,
};

@interface NSMenuItem : NSObject
+ (NSMenuItem*)separatorItem;
@property(strong) id submenu;
@property NSEventModifierFlags keyEquivalentModifierMask;
@end
@interface NSMenu : NSObject
- (instancetype)initWithTitle:(NSString*)title;
- (NSMenuItem*)addItemWithTitle:(NSString*)title action:(SEL)action keyEquivalent:(NSString*)key;
- (void)addItem:(NSMenuItem*)item;
@end
@interface NSView : NSObject
@end
@interface NSWindow : NSObject
- (instancetype)initWithContentRect:(NSRect)rect styleMask:(NSWindowStyleMask)style backing:(NSBackingStoreType)backing defer:(BOOL)defer;
- (void)center;
- (void)makeKeyAndOrderFront:(id)sender;
- (BOOL)setFrameUsingName:(NSString*)name;
- (BOOL)setFrameAutosaveName:(NSString*)name;
@property(copy) NSString* title;
@property(strong) NSView* contentView;
@property NSSize contentMinSize;
@property(readonly, getter=isVisible) BOOL visible;
@property(getter=isReleasedWhenClosed) BOOL releasedWhenClosed;
@end
@interface NSAlert : NSObject
@property(copy) NSString* messageText;
@property(copy) NSString* informativeText;
- (NSInteger)runModal;
@end
enum : NSInteger { NSModalResponseOK = 1 };
@interface NSOpenPanel : NSObject
+ (NSOpenPanel*)openPanel;
- (NSInteger)runModal;
@property BOOL canChooseFiles;
@property BOOL canChooseDirectories;
@property(copy) NSString* message;
@property(copy) NSString* prompt;
@property(readonly, copy) NSURL* URL;
@end
@interface NSWorkspace : NSObject
@property(class, readonly, strong) NSWorkspace* sharedWorkspace;
- (BOOL)openURL:(NSURL*)url;
@end
@protocol NSApplicationDelegate <NSObject>
@optional
- (void)applicationDidFinishLaunching:(NSNotification*)notification;
- (void)applicationWillTerminate:(NSNotification*)notification;
- (BOOL)applicationShouldTerminateAfterLastWindowClosed:(NSApplication*)application;
- (BOOL)applicationSupportsSecureRestorableState:(NSApplication*)application;
@end
@interface NSApplication : NSObject
@property(class, readonly, strong) NSApplication* sharedApplication;
- (BOOL)setActivationPolicy:(NSApplicationActivationPolicy)policy;
- (void)activate;
- (void)run;
@property(weak) id<NSApplicationDelegate> delegate;
@property(strong) NSMenu* mainMenu;
@property(strong) NSMenu* windowsMenu;
@end

// ServiceManagement
enum SMAppServiceStatus : NSInteger {
  SMAppServiceStatusNotRegistered = 0,
  SMAppServiceStatusEnabled = 1,
  SMAppServiceStatusRequiresApproval = 2,
  SMAppServiceStatusNotFound = 3,
};
@interface SMAppService : NSObject
+ (instancetype)agentServiceWithPlistName:(NSString*)name;
+ (void)openSystemSettingsLoginItems;
- (BOOL)registerAndReturnError:(NSError**)error;
- (BOOL)unregisterAndReturnError:(NSError**)error;
@property(readonly) SMAppServiceStatus status;
@end

// WebKit
@class WKNavigation, WKUserContentController, WKWebView;
@interface WKContentWorld : NSObject
@property(class, readonly) WKContentWorld* pageWorld;
@end
@interface WKFrameInfo : NSObject
@property(readonly, getter=isMainFrame) BOOL mainFrame;
@property(readonly, copy) NSURLRequest* request;
@end
@interface WKScriptMessage : NSObject
@property(readonly, copy) id body;
@property(readonly, copy) WKFrameInfo* frameInfo;
@end
@protocol WKScriptMessageHandlerWithReply <NSObject>
- (void)userContentController:(WKUserContentController*)controller
      didReceiveScriptMessage:(WKScriptMessage*)message
                 replyHandler:(void (^)(id reply, NSString* errorMessage))replyHandler;
@end
@interface WKUserContentController : NSObject
- (void)addScriptMessageHandlerWithReply:(id<WKScriptMessageHandlerWithReply>)handler
                            contentWorld:(WKContentWorld*)world
                                    name:(NSString*)name;
@end
@protocol WKURLSchemeTask <NSObject>
@property(readonly, copy) NSURLRequest* request;
- (void)didReceiveResponse:(NSURLResponse*)response;
- (void)didReceiveData:(NSData*)data;
- (void)didFinish;
- (void)didFailWithError:(NSError*)error;
@end
@protocol WKURLSchemeHandler <NSObject>
- (void)webView:(WKWebView*)view startURLSchemeTask:(id<WKURLSchemeTask>)task;
- (void)webView:(WKWebView*)view stopURLSchemeTask:(id<WKURLSchemeTask>)task;
@end
@interface WKWebsiteDataStore : NSObject
+ (WKWebsiteDataStore*)nonPersistentDataStore;
@end
@interface WKWebViewConfiguration : NSObject
- (void)setURLSchemeHandler:(id<WKURLSchemeHandler>)handler forURLScheme:(NSString*)scheme;
@property(strong) WKWebsiteDataStore* websiteDataStore;
@property(strong) WKUserContentController* userContentController;
@end
@interface WKNavigationAction : NSObject
@property(readonly, copy) NSURLRequest* request;
@end
enum WKNavigationActionPolicy : NSInteger { WKNavigationActionPolicyCancel = 0, WKNavigationActionPolicyAllow = 1 };
@protocol WKNavigationDelegate <NSObject>
@optional
- (void)webView:(WKWebView*)view
    decidePolicyForNavigationAction:(WKNavigationAction*)action
                    decisionHandler:(void (^)(WKNavigationActionPolicy))decisionHandler;
- (void)webView:(WKWebView*)view didCommitNavigation:(WKNavigation*)navigation;
- (void)webView:(WKWebView*)view didFailProvisionalNavigation:(WKNavigation*)navigation withError:(NSError*)error;
- (void)webViewWebContentProcessDidTerminate:(WKWebView*)view;
@end
@interface WKWebView : NSView
- (instancetype)initWithFrame:(NSRect)frame configuration:(WKWebViewConfiguration*)configuration;
- (WKNavigation*)loadRequest:(NSURLRequest*)request;
@property(weak) id<WKNavigationDelegate> navigationDelegate;
@end
