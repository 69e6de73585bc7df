#include "app/host/macos/model_folders.h"

#include <dispatch/dispatch.h>

#include <mutex>
#include <string>
#include <vector>

#include "app/host/macos/appkit.h"
#include "app/host/model_files.h"

namespace mlxr::app {
namespace {

using nlohmann::json;
using Answer = std::expected<json, BridgeError>;

NSString* const kBookmarks = @"ModelFolders";  // in the app's preferences: an array of bookmarks

struct Folder {
  std::string path;
  NSURL* url;  // access to it has been started
  NSData* bookmark;
};

std::mutex mutex;
std::vector<Folder> folders;  // guarded by mutex

std::string path_of(NSURL* url) {
  const char* path = url.path.UTF8String;
  return path != nullptr ? path : "";
}

NSData* bookmark_of(NSURL* url) {
  const auto options = NSURLBookmarkCreationWithSecurityScope | NSURLBookmarkCreationSecurityScopeAllowOnlyReadAccess;
  return [url bookmarkDataWithOptions:options includingResourceValuesForKeys:nil relativeToURL:nil error:nil];
}

void keep() {
  NSMutableArray* bookmarks = [[NSMutableArray alloc] init];
  for (const Folder& folder : folders) [bookmarks addObject:folder.bookmark];
  [NSUserDefaults.standardUserDefaults setObject:bookmarks forKey:kBookmarks];
}

json described(const Folder& folder) {
  const auto files = find_model_files(folder.path);
  if (!files) return {{"path", folder.path}, {"problem", files.error().message}};
  json list = json::array();
  for (const ModelFile& file : *files) list.push_back({{"path", file.path.string()}, {"size", file.size}});
  return {{"path", folder.path}, {"files", std::move(list)}};
}

Answer list(const std::atomic<bool>&) {
  std::vector<Folder> now;
  {
    const std::lock_guard lock(mutex);
    now = folders;
  }
  json all = json::array();
  for (const Folder& folder : now) all.push_back(described(folder));  // without the lock: a disk may be slow
  return all;
}

// Asks on the user interface's thread, which may be waiting for this thread when the app quits. Nil: the user chose no folder.
NSURL* ask_for_folder(const std::atomic<bool>& cancelled) {
  __block NSURL* chosen = nil;
  const dispatch_semaphore_t answered = dispatch_semaphore_create(0);
  dispatch_async(dispatch_get_main_queue(), ^{
    NSOpenPanel* panel = [NSOpenPanel openPanel];
    panel.canChooseFiles = NO;
    panel.canChooseDirectories = YES;
    panel.message = @"Choose a folder with models (GGUF files). MLXR lists them; they stay where they are.";
    panel.prompt = @"Choose";
    if ([panel runModal] == NSModalResponseOK) chosen = panel.URL;
    dispatch_semaphore_signal(answered);
  });
  while (dispatch_semaphore_wait(answered, dispatch_time(DISPATCH_TIME_NOW, NSEC_PER_SEC / 10)) != 0)
    if (cancelled) return nil;
  return chosen;
}

Answer add(const std::atomic<bool>& cancelled) {
  NSURL* url = ask_for_folder(cancelled);
  if (url == nil) return list(cancelled);
  NSData* bookmark = bookmark_of(url);
  if (bookmark == nil) return refuse("permission", "macOS gave no lasting permission to read " + path_of(url) + ".");
  {
    const std::lock_guard lock(mutex);
    std::erase_if(folders, [&](const Folder& folder) { return folder.path == path_of(url); });
    folders.push_back({path_of(url), url, bookmark});  // the panel has started access to it
    keep();
  }
  return list(cancelled);
}

Answer remove(const json& params, const std::atomic<bool>& cancelled) {
  if (auto known = check_names(params, {"path"}); !known) return std::unexpected(known.error());
  const json path = params.value("path", json());
  if (!path.is_string()) return refuse("invalid_params", "folders.remove needs 'path', a string.");
  const auto& name = path.get_ref<const std::string&>();
  {
    const std::lock_guard lock(mutex);
    const auto removed = std::erase_if(folders, [&](const Folder& folder) {
      if (folder.path != name) return false;
      [folder.url stopAccessingSecurityScopedResource];
      return true;
    });
    if (removed == 0) return refuse("not_found", "'" + name + "' is not in the list of folders.");
    keep();
  }
  return list(cancelled);
}

Method without_params(Answer (*function)(const std::atomic<bool>&)) {
  return [function](const json& params, const std::atomic<bool>& cancelled) -> Answer {
    if (auto known = check_names(params, {}); !known) return std::unexpected(known.error());
    @autoreleasepool {
      return function(cancelled);
    }
  };
}

}  // namespace

void restore_model_folders() {
  NSArray* bookmarks = [NSUserDefaults.standardUserDefaults arrayForKey:kBookmarks];
  const std::lock_guard lock(mutex);
  for (NSUInteger i = 0; i < bookmarks.count; ++i) {
    NSData* bookmark = [bookmarks objectAtIndex:i];
    BOOL is_stale = NO;
    NSURL* url = [NSURL URLByResolvingBookmarkData:bookmark
                                           options:NSURLBookmarkResolutionWithSecurityScope
                                     relativeToURL:nil
                               bookmarkDataIsStale:&is_stale
                                             error:nil];
    if (url == nil) continue;  // the folder was deleted
    [url startAccessingSecurityScopedResource];
    NSData* fresh = is_stale ? bookmark_of(url) : nil;  // it was moved or renamed
    folders.push_back({path_of(url), url, fresh != nil ? fresh : bookmark});
  }
  keep();
}

Methods model_folder_methods() {
  return {{"folders.add", without_params(add)},
          {"folders.list", without_params(list)},
          {"folders.remove", [](const json& params, const std::atomic<bool>& cancelled) {
             @autoreleasepool {
               return remove(params, cancelled);
             }
           }}};
}

}  // namespace mlxr::app
