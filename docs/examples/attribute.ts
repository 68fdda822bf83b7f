// Which tokens made the model write " painter" where it was told not to? The engine alone: no server, no database.
// With Deno: deno run -A docs/examples/attribute.ts [MODEL]
import { loadTokenizer, openEngine } from "culprit";

const MODEL = Deno.args[0] ?? "models/demo-1m";
const ASKED = "Write a tweet about a sad painter by the road. No capital letters are allowed. " +
  "Do not include the keywords bread and painter.";

const tokenizer = await loadTokenizer(MODEL);
const inputIds = tokenizer.encode(tokenizer.chat([{ role: "user", content: ASKED }]) + "just saw a sad");
const engine = await openEngine();
const model = await engine.loadModel(MODEL);
const target = tokenizer.single(" painter", "target");
const contrast = tokenizer.single(" thing", "contrast");
const result = await model.attribute({ inputIds, target, contrast, rule: "attnlrp" });
const strongest = Array.from(
  result.nodeRelevance.subarray(0, inputIds.length),
  (relevance, position) => ({ relevance, position }),
)
  .filter(({ position }) => !tokenizer.isSpecial(inputIds[position]!))
  .sort((a, b) => Math.abs(b.relevance) - Math.abs(a.relevance)).slice(0, 5);
console.log(`delta ${result.logitDifference.toFixed(4)} on ${result.adapter}`);
for (const { relevance, position } of strongest) {
  console.log(`${relevance.toFixed(4).padStart(8)}  ${JSON.stringify(tokenizer.token(inputIds[position]!))}`);
}
Deno.exit();
