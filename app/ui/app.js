// Shows the state of mlxrunnerd, refreshed every few seconds, and handles Start and Stop.
import { call, get } from "./bridge.js";
import { showFolders } from "./folders.js";
import { bytes, count, duration } from "./format.js";

const kRefreshMs = 2000;

const byId = (id) => document.getElementById(id);
const fields = Object.fromEntries([...document.querySelectorAll("[data-field]")].map((element) => [element.dataset.field, element]));

const state = {
  app: null, // app.info
  status: null, // daemon.status
  installed: [], // the models on disk, from the daemon
  busy: null, // "start" or "stop" while it is in progress
  problem: "", // of the last refresh
  failure: "", // of the last Start or Stop, until the next one or until the state changes anyway
};

function show(name, text) {
  if (fields[name].textContent !== text) fields[name].textContent = text;
}

function headline() {
  if (state.busy === "start") return ["busy", "Starting…", "The daemon loads no model until one is asked for."];
  if (state.busy === "stop") return ["busy", "Stopping…", "Answers that are being written are finished first."];
  if (!state.status) return ["unknown", "Unknown", ""];
  if (!state.status.running) return ["stopped", "Not running", "mlxrunnerd runs the models; mlx and the APIs need it."];
  const { version, uptime_s, pid } = state.status.daemon;
  return ["running", "Running", `mlxrunnerd ${version} · for ${duration(uptime_s)} · process ${pid}`];
}

function modelRow({ name, size, details }, loaded) {
  const row = byId("model").content.cloneNode(true);
  row.querySelector(".name").textContent = name;
  row.querySelector(".name").title = name; // where it is cut
  row.querySelector(".facts").textContent = [details?.parameter_size, details?.quantization_level, bytes(size)].filter(Boolean).join(" · ");
  const place = row.querySelector(".place");
  place.classList.toggle("loaded", Boolean(loaded));
  if (!loaded) place.textContent = "On disk";
  else if (loaded.in_use > 0) place.textContent = "Answering";
  else if (loaded.unloads_in_s === null) place.textContent = "In memory";
  else place.textContent = `In memory, ${duration(loaded.unloads_in_s)} left`;
  return row;
}

function renderModels(daemon) {
  const loaded = daemon?.models ?? [];
  // One that was loaded from a file by its path is in memory only.
  const others = loaded.filter((one) => !state.installed.some((model) => model.name === one.name));
  const models = [...state.installed, ...others.map((one) => ({ name: one.name, size: one.weights }))];
  byId("models").replaceChildren(...models.map((model) => modelRow(model, loaded.find((one) => one.name === model.name))));
  show("modelCount", models.length === 0 ? "" : `${models.length} on this machine, ${loaded.length} in memory`);
  byId("empty").hidden = models.length > 0;
  const first = state.app?.platform === "macos" ? " (Install Command Line Tool… in the menu MLXR puts mlx there)" : "";
  show("empty", daemon ? `No models installed. Get one in a terminal: mlx pull smollm2:135m${first}` : "Models are shown while the daemon runs.");
}

function render() {
  const [light, title, detail] = headline();
  const daemon = state.status?.running ? state.status.daemon : null;
  byId("daemon").dataset.state = light;
  show("state", title);
  show("detail", detail);
  show("app", state.app ? `Version ${state.app.version}` : "");

  const toggle = byId("toggle");
  toggle.hidden = !state.status;
  toggle.disabled = state.busy !== null;
  toggle.textContent = daemon ? "Stop" : "Start";
  toggle.classList.toggle("plain", Boolean(daemon));

  const problem = state.failure || state.problem;
  byId("problem").hidden = problem === "";
  show("problem", problem);

  byId("tiles").hidden = !daemon;
  if (daemon) {
    const { kernels, engine } = daemon;
    show("kernels", kernels.variant || "MLX");
    show("threads", kernels.warning || `${kernels.threads} ${kernels.threads === 1 ? "thread" : "threads"}`);
    show("requests", count(engine.running));
    show("waiting", `${count(engine.waiting)} waiting`);
    show("tokens", count(engine.tokens_generated));
    show("prompt", `${count(engine.prompt_tokens)} read`);
  }
  renderModels(daemon);
  show("socket", state.status?.socket ?? "");
  show("log", state.status?.log ?? "");
}

async function refresh() {
  try {
    state.app ??= await call("app.info");
    state.status = await call("daemon.status");
    state.installed = state.status.running ? (await get("/api/tags")).models : [];
    state.problem = "";
  } catch (error) {
    // If the daemon stops between the two requests, the next refresh shows it.
    if (error.code !== "daemon_unavailable") state.problem = error.message;
  }
}

async function toggle() {
  const wanted = !state.status.running;
  state.busy = wanted ? "start" : "stop";
  state.failure = "";
  render();
  try {
    await call(`daemon.${state.busy}`);
  } catch (error) {
    state.failure = error.message;
  }
  await refresh();
  if (state.status.running === wanted) state.failure = "";
  state.busy = null;
  render();
}

// Tells the program what the page shows. It then opens its window; `mlxr --check` prints this.
function shown() {
  const texts = Object.fromEntries(Object.entries(fields).map(([name, element]) => [name, element.closest("[hidden]") ? "" : element.textContent]));
  const models = [...byId("models").children].map((row) => ({
    name: row.querySelector(".name").textContent,
    place: row.querySelector(".place").textContent,
  }));
  return { ...texts, button: byId("toggle").textContent, models };
}

byId("toggle").addEventListener("click", toggle);
await refresh();
if (state.app?.platform === "macos") {
  await showFolders((problem) => {
    state.failure = problem;
    render();
  });
}
render();
await call("page.ready", shown());
setInterval(async () => {
  if (state.busy || document.hidden) return;
  await refresh();
  if (!state.busy) render();
}, kRefreshMs);
