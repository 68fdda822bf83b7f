/** Which tensors each architecture is made of. */
import type { ModelConfig } from "./config.ts";

export interface RequiredTensor {
  readonly name: string;
  /** Row-major; a projection is [out, in]. */
  readonly shape: readonly number[];
}

/** What the norms of a block's attention and MLP are called, by where they stand. */
export function blockNormNames(
  { blockNorms }: ModelConfig,
): { readonly attentionNorm: string; readonly mlpNorm: string } {
  return blockNorms === "input"
    ? { attentionNorm: "input_layernorm", mlpNorm: "post_attention_layernorm" }
    : { attentionNorm: "post_attention_layernorm", mlpNorm: "post_feedforward_layernorm" };
}

/** The tensors that the engine reads of a model, under the names that Hugging Face transformers gives them. */
export function requiredTensors(config: ModelConfig): readonly RequiredTensor[] {
  const { hidden, intermediate, headDimension, vocabulary } = config;
  const queries = config.heads * headDimension;
  const keys = config.keyValueHeads * headDimension;
  const tensors: RequiredTensor[] = [{ name: "model.embed_tokens.weight", shape: [vocabulary, hidden] }];
  for (let layer = 0; layer < config.layers; layer++) {
    const add = (name: string, ...shape: number[]) =>
      tensors.push({ name: `model.layers.${layer}.${name}.weight`, shape });
    const { attentionNorm, mlpNorm } = blockNormNames(config);
    add(attentionNorm, hidden);
    add("self_attn.q_proj", queries, hidden);
    add("self_attn.k_proj", keys, hidden);
    add("self_attn.v_proj", keys, hidden);
    add("self_attn.q_norm", config.headNorms === "head" ? headDimension : queries);
    add("self_attn.k_norm", config.headNorms === "head" ? headDimension : keys);
    add("self_attn.o_proj", hidden, queries);
    add(mlpNorm, hidden);
    add("mlp.gate_proj", intermediate, hidden);
    add("mlp.up_proj", intermediate, hidden);
    add("mlp.down_proj", hidden, intermediate);
  }
  tensors.push({ name: "model.norm.weight", shape: [hidden] });
  if (!config.tiedEmbeddings) tensors.push({ name: "lm_head.weight", shape: [vocabulary, hidden] });
  return tensors;
}
