/**
 * The engine's front door: other rooms import from here alone. What needs the GPU's library is loaded when it is called,
 * so that processes without a device can read models and their tokenizers.
 */
import type {
  AdapterInfo,
  ComponentEdgesRequest,
  ComponentsRequest,
  Engine,
  FoundAdapter,
  GraphSettings,
  Rule,
} from "./engine.ts";
import type { ModelConfig } from "./model/config.ts";

export type * from "./engine.ts";
export { RULES } from "./engine.ts";
export { InputError, MemoryError, oneLine, UnavailableError } from "./errors.ts";
export { describeBytes } from "./device/memory.ts";
export type { ChatMessage } from "./model/chat.ts";
export type { ModelConfig } from "./model/config.ts";
export { type ModelDirectory, openModelDirectory } from "./model/directory.ts";
export { modelPath, parseModelPath } from "./model/model_path.ts";
export {
  downloadModel,
  type LocatedModel,
  locateModel,
  type LocateOptions,
  locateReference,
} from "./model/hub/locate.ts";
export { type HubReference, parseReference } from "./model/hub/reference.ts";
export { type HubSettings, readHubSettings } from "./model/hub/settings.ts";
export { parseExactJson } from "./model/exact_json.ts";
export { endOfString, isDeeper, isJsonObject, type JsonObject, MOST_LEVELS, parseJson } from "./model/json.ts";
export { limited, TimeLimitError } from "./model/limited.ts";
export { readSafetensorsHeader } from "./model/safetensors.ts";
export { elements, type TensorInfo } from "./model/tensor.ts";
export { loadTokenizer, type Tokenizer } from "./model/tokenizer.ts";
export {
  endOfThought,
  opensThought,
  readThought,
  splitThought,
  type ThinkingMode,
  type ThoughtReader,
} from "./model/thinking.ts";
export { checkVocabulary } from "./model/vocabulary.ts";

/**
 * Opens the best adapter, or the one that `adapter` names (default: the environment's CULPRIT_ADAPTER).
 * Throws InputError when no adapter fits. A process with an open engine does not end by itself: close it and exit.
 */
export async function openEngine(options: { readonly adapter?: string } = {}): Promise<Engine> {
  return await (await import("./open_engine.ts")).openEngine(options);
}

/** Which adapters this machine has, `chosen` the one that an engine opened, and `wanted` what CULPRIT_ADAPTER asks for. */
export async function surveyAdapters(
  chosen: AdapterInfo | undefined,
  wanted: string | undefined,
): Promise<readonly FoundAdapter[]> {
  return await (await import("./device/survey.ts")).surveyAdapters(chosen, wanted);
}

/** Throws InputError for a graph that a model of the configuration cannot have. */
export async function checkGraphRequest(
  config: ModelConfig,
  request: GraphSettings & { readonly rule: Rule },
): Promise<void> {
  (await import("./explanation/graph.ts")).checkGraphRequest(config, request);
}

/** Throws InputError for nodes that a model of the configuration does not have. */
export async function checkNodes(config: ModelConfig, request: ComponentsRequest): Promise<void> {
  (await import("./explanation/components.ts")).checkNodes(config, request);
}

/** Throws InputError for components that a model of the configuration does not have. */
export async function checkComponentEdges(config: ModelConfig, request: ComponentEdgesRequest): Promise<void> {
  (await import("./explanation/component_edges.ts")).checkComponentEdges(config, request);
}
