// logits.cjs MODEL FIRST ID…: runs the tokens through llama.cpp and prints, from position FIRST on, a line of JSON each: the ten most
// likely tokens that follow and their logits, [[id, logit], …].
const {open, context_of} = require("./llama.cjs");

const [path, first, ...ids] = process.argv.slice(2);
const tokens = Uint32Array.from(ids, Number);

async function main() {
    const opened = await open(path);
    const context = await context_of(opened, {contextSize: 512, batchSize: 512});
    const sampler = new opened.llama.AddonSampler(opened.model);
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
