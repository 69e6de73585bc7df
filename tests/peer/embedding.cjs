// embedding.cjs MODEL KIND ID…: prints what llama.cpp makes of the tokens, as a line of JSON: their embedding (KIND "embedding") or their
// scores ("ranking"). See logits.cjs for how it is called.
const {join} = require("node:path");

const folder = join(process.env.MLXR_PEER_NODE, "node_modules", "@node-llama-cpp", "linux-x64", "bins", "linux-x64");
const [path, kind, ...ids] = process.argv.slice(2);
const tokens = Uint32Array.from(ids, Number);

async function main() {
    const llama = require(join(folder, "llama-addon.node"));
    llama.setLoggerLogLevel(3);  // errors
    llama.loadBackends(folder);
    await llama.init();
    const model = new llama.AddonModel(path, {addonExports: llama, gpuLayers: 0});
    const context = new llama.AddonContext(model, {
        contextSize: 1024, batchSize: 1024, sequences: 1, threads: 2, embeddings: true, ranking: kind === "ranking"
    });
    if (!await model.init() || !await context.init()) throw new Error(`llama.cpp does not load ${path}`);
    context.initBatch(tokens.length);
    context.addToBatch(0, 0, tokens, Uint32Array.from(tokens, (_, i) => i));
    await context.decodeBatch();
    console.log(JSON.stringify(Array.from(context.getEmbedding(tokens.length))));
    process.exit(0);  // without waiting for its threads
}
main();
