/** Small random models of every family in test/data/golden, with values that LXT computed (test/data/README.md). */
export const GOLDEN_MODELS = [
  "qwen3-a",
  "qwen3-b",
  "olmo3-a",
  "llama-a",
  "llama-b",
  "qwen2-a",
  "mistral-a",
  "smollm3-a",
  "phi3-a",
  "olmo2-a",
  "gemma2-a",
  "gemma3-a",
  "gpt2-a",
  "gptneox-a",
  "qwen3moe-a",
] as const;
