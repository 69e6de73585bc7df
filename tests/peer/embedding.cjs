// embedding.cjs MODEL KIND IDS…: prints what llama.cpp makes of each text, as a line of JSON: its embedding (KIND "embedding") or its scores
// ("ranking"). A text is the ids of its tokens with commas between them.
const {open, context_of} = require("./llama.cjs");

const [path, kind, ...texts] = process.argv.slice(2);

async function main() {
    const opened = await open(path);
    for (const text of texts) {
        const tokens = Uint32Array.from(text.split(","), Number);
        const context = await context_of(opened, {contextSize: 1024, batchSize: 1024, embeddings: true, ranking: kind === "ranking"});
        context.initBatch(tokens.length);
        context.addToBatch(0, 0, tokens, Uint32Array.from(tokens, (_, i) => i));
        await context.decodeBatch();
        console.log(JSON.stringify(Array.from(context.getEmbedding(tokens.length))));
    }
    process.exit(0);  // without waiting for its threads
}
main();
