// llama.cpp: open(path) gives its module and a model that is ready, context_of() a context that is, without any token in it.
//
// Calls the compiled module of @node-llama-cpp/linux-x64 itself: node-llama-cpp, whose inside it is, would bring a hundred packages more.
const {join} = require("node:path");

const folder = join(process.env.MLXR_PEER_NODE, "node_modules", "@node-llama-cpp", "linux-x64", "bins", "linux-x64");

async function open(path) {
    const llama = require(join(folder, "llama-addon.node"));
    llama.setLoggerLogLevel(3);  // errors
    llama.loadBackends(folder);
    await llama.init();
    const model = new llama.AddonModel(path, {addonExports: llama, gpuLayers: 0});
    if (!await model.init()) throw new Error(`llama.cpp does not load ${path}`);
    return {llama, model};
}

async function context_of({llama, model}, options) {
    const context = new llama.AddonContext(model, {sequences: 1, threads: 2, ...options});
    if (!await context.init()) throw new Error("llama.cpp makes no context");
    return context;
}

module.exports = {open, context_of};
