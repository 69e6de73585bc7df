// embedding.cjs MODEL KIND ID…: prints what llama.cpp makes of the tokens, as a line of JSON: their embedding (KIND "embedding") or their
// scores ("ranking").
const {open} = require("./llama.cjs");

const [path, kind, ...ids] = process.argv.slice(2);
const tokens = Uint32Array.from(ids, Number);

async function main() {
    const {context} = await open(path, {contextSize: 1024, batchSize: 1024, embeddings: true, ranking: kind === "ranking"});
    context.initBatch(tokens.length);
    context.addToBatch(0, 0, tokens, Uint32Array.from(tokens, (_, i) => i));
    await context.decodeBatch();
    console.log(JSON.stringify(Array.from(context.getEmbedding(tokens.length))));
    process.exit(0);  // without waiting for its threads
}
main();
