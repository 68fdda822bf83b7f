/** A model whose logits are exactly half of another's: its last norm's weights are halved. */
import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Copies a model directory of bf16 weights in one file. Halving lowers an exponent by one, which rounds nothing. */
export function writeHalvedModel(from: string, to: string): void {
  cpSync(from, to, { recursive: true });
  const path = join(to, "model.safetensors");
  const file = readFileSync(path);
  const length = Number(file.readBigUInt64LE(0));
  const head = JSON.parse(file.toString("utf8", 8, 8 + length));
  const { dtype, data_offsets: [start, end] } = head["model.norm.weight"];
  if (dtype !== "BF16") throw new Error(`${from} has weights of ${dtype}`);
  for (let at = 8 + length + start; at < 8 + length + end; at += 2) {
    const bits = file.readUInt16LE(at);
    // Zero stays, and nothing here is as small as the smallest exponent.
    if ((bits & 0x7f80) > 0x0080) file.writeUInt16LE(bits - 0x0080, at);
    else if ((bits & 0x7fff) !== 0) throw new Error("a weight is too small to be halved");
  }
  writeFileSync(path, file);
}
