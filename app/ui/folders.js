// Folders with models that the user chose, if the program has such a list (macOS).
import { call } from "./bridge.js";
import { bytes } from "./format.js";

const byId = (id) => document.getElementById(id);

function facts({ files, problem }) {
  if (problem) return problem;
  if (files.length === 0) return "No GGUF files";
  const size = files.reduce((sum, file) => sum + file.size, 0);
  return `${files.length} ${files.length === 1 ? "model" : "models"} · ${bytes(size)}`;
}

function row(folder, onError) {
  const item = byId("folder").content.cloneNode(true);
  item.querySelector(".name").textContent = folder.path;
  item.querySelector(".facts").textContent = facts(folder);
  item.querySelector("button").addEventListener("click", () => ask("folders.remove", { path: folder.path }, onError));
  return item;
}

async function ask(method, params, onError) {
  try {
    const folders = await call(method, params);
    byId("folders").replaceChildren(...folders.map((folder) => row(folder, onError)));
  } catch (error) {
    onError(error.message);
  }
}

// onError: called with a sentence.
export async function showFolders(onError) {
  byId("folders-card").hidden = false;
  byId("add-folder").addEventListener("click", () => ask("folders.add", {}, onError));
  await ask("folders.list", {}, onError);
}
