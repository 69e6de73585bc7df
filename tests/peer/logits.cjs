// logits.cjs MODEL FIRST ID…: runs the tokens through llama.cpp and prints, from position FIRST on, a line of JSON each: the ten most
// likely tokens that follow and their logits, [[id, logit], …].
//
// Calls the compiled module of @node-llama-cpp/linux-x64 itself: node-llama-cpp, whose inside it is, would bring a hundred packages more.
const {dirname, join} = require("node:path");

const folder = join(process.env.MLXR_PEER_NODE, "node_modules", "@node-llama-cpp", "linux-x64", "bins", "linux-x64");
const [path, first, ...ids] = process.argv.slice(2);
const tokens = Uint32Array.from(ids, Number);

async function main() {
    const llama = require(join(folder, "llama-addon.node"));
    llama.setLoggerLogLevel(3);  // errors
    llama.loadBackends(folder);
    await llama.init();
    const model = new llama.AddonModel(path, {addonExports: llama, gpuLayers: 0});
    const context = new llama.AddonContext(model, {contextSize: 512, batchSize: 512, sequences: 1, threads: 2});
    if (!await model.init() || !await context.init()) throw new Error(`llama.cpp does not load ${path}`);
    const sampler = new llama.AddonSampler(model);
    sampler.applyConfig({temperature: 0});
    context.initBatch(tokens.length);
    const outputs = context.addToBatch(0, 0, tokens, Uint32Array.from({length: tokens.length - first}, (_, i) => Number(first) + i));
    await context.decodeBatch();
    for (const output of outputs) {
        const [, , , pairs] = await context.sampleToken(output, sampler, false, false, true);
        const logits = Array.from({length: pairs.length / 2}, (_, i) => [pairs[2 * i], pairs[2 * i + 1]]);
        console.log(JSON.stringify(logits.sort((a, b) => b[1] - a[1]).slice(0, 10)));
    }
    process.exit(0);  // without waiting for its threads
}
main();
