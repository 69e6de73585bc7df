#include "app/host/macos/menu.h"

#include <initializer_list>

#include "app/host/macos/appkit.h"

namespace mlxr::app {
namespace {

struct Item {
  NSString* title;  // nil: a separator
  SEL action = nullptr;
  NSString* key = @"";
  NSEventModifierFlags modifiers = NSEventModifierFlagCommand;
};

// Actions have no target, so the first responder that implements them gets them: the page's text, the window or the application.
NSMenu* add_menu(NSMenu* bar, NSString* title, std::initializer_list<Item> items) {
  NSMenu* menu = [[NSMenu alloc] initWithTitle:title];
  for (const Item& item : items) {
    if (item.title == nil) {
      [menu addItem:[NSMenuItem separatorItem]];
      continue;
    }
    [menu addItemWithTitle:item.title action:item.action keyEquivalent:item.key].keyEquivalentModifierMask = item.modifiers;
  }
  [bar addItemWithTitle:title action:nullptr keyEquivalent:@""].submenu = menu;
  return menu;
}

}  // namespace

void make_menu_bar() {
  constexpr auto kCommand = NSEventModifierFlagCommand;
  const Item line{nil};
  NSMenu* bar = [[NSMenu alloc] initWithTitle:@""];
  add_menu(bar, @"MLXR",
           {{@"About MLXR", @selector(orderFrontStandardAboutPanel:)},
            line,
            {@"Install Command Line Tool…", @selector(installCommandLineTool:)},
            line,
            {@"Hide MLXR", @selector(hide:), @"h"},
            {@"Hide Others", @selector(hideOtherApplications:), @"h", kCommand | NSEventModifierFlagOption},
            {@"Show All", @selector(unhideAllApplications:)},
            line,
            {@"Quit MLXR", @selector(terminate:), @"q"}});
  add_menu(bar, @"File", {{@"Close Window", @selector(performClose:), @"w"}});
  add_menu(bar, @"Edit",
           {{@"Undo", @selector(undo:), @"z"},
            {@"Redo", @selector(redo:), @"z", kCommand | NSEventModifierFlagShift},
            line,
            {@"Cut", @selector(cut:), @"x"},
            {@"Copy", @selector(copy:), @"c"},
            {@"Paste", @selector(paste:), @"v"},
            {@"Select All", @selector(selectAll:), @"a"}});
  NSMenu* windows = add_menu(bar, @"Window", {{@"Minimize", @selector(performMiniaturize:), @"m"}, {@"Zoom", @selector(performZoom:)}});
  NSApplication* application = NSApplication.sharedApplication;
  application.mainMenu = bar;
  application.windowsMenu = windows;
}

}  // namespace mlxr::app
