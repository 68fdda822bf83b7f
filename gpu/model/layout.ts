/**
 * Which tensors a model is made of, and where their numbers lie on the device: what is stored apart, fused, head by head
 * or transposed becomes the same few matrices of a block. Required tensors, loading and freeing are folds over this.
 */
import { type ArchitectureRow, rowOf } from "./architectures.ts";
import { headColumns, type LayerMlp, type ModelConfig } from "./config.ts";

/** Matrices of a block, [out, in]. */
export type MatrixPart =
  /** q, k and v one above the other; heads of `headColumns` rows each. */
  | "queryKeyValue"
  | "output"
  /** Gate, zero rows to a multiple of 4, then up, and zero rows again. */
  | "gateUp"
  | "up"
  | "down"
  /** [experts, hidden], and each expert's own gateUp and down one above the other. */
  | "router"
  | "expertGateUp"
  | "expertDown";

/** Vectors of a block; what comes in several pieces is padded to a multiple of 4 piece by piece. */
export type VectorPart =
  /** A norm's weight, then its bias where it has one. */
  | "attentionIn"
  | "attentionOut"
  | "mlpIn"
  | "mlpOut"
  /** Norm of q, then of k, each over a head or over the projection. */
  | "headNorms"
  | "queryKeyValueBias"
  | "outputBias"
  | "gateUpBias"
  | "upBias"
  | "downBias";

/** `count` rows (columns, numbers) of a tensor from `from` on, and where they go. */
export interface Run {
  readonly from: number;
  readonly to: number;
  readonly count: number;
}

/** A tensor, and which of its rows are which of a matrix; rows that no source gives are zero. */
export interface Source {
  readonly name: string;
  /** As it is stored; row-major. */
  readonly shape: readonly number[];
  readonly runs: readonly Run[];
  /** The same for columns; all where it is missing. */
  readonly columns?: readonly Run[];
  /** Stored as [in, out]. */
  readonly transposed?: boolean;
}

export interface MatrixLayout<Part extends string = string> {
  readonly part: Part;
  readonly rows: number;
  readonly columns: number;
  /** Rows that stay together where a matrix is cut. */
  readonly unit?: number;
  readonly sources: readonly Source[];
}

export interface VectorLayout<Part extends string = string> {
  readonly part: Part;
  /** Padding included. */
  readonly length: number;
  /** Added to every number that is read. */
  readonly added: number;
  readonly sources: readonly Source[];
}

export interface BlockLayout {
  readonly matrices: readonly MatrixLayout<MatrixPart>[];
  readonly vectors: readonly VectorLayout<VectorPart>[];
  /** Tensors of both, in the order of the block's operations. */
  readonly sources: readonly Source[];
}

/** What stands before and behind the blocks. */
export interface OuterLayout {
  /** [vocabulary, hidden] */
  readonly embedding: MatrixLayout<"embedding">;
  /** [vocabulary, hidden]; the embedding where they are tied. */
  readonly unembedding: MatrixLayout<"unembedding">;
  /** [positions, hidden] */
  readonly positions: MatrixLayout<"positions"> | null;
  readonly finalNorm: VectorLayout<"finalNorm">;
}

export interface RequiredTensor {
  readonly name: string;
  /** Row-major; a projection is [out, in] unless the family stores it transposed. */
  readonly shape: readonly number[];
}

const whole = (count: number, to = 0): Run[] => [{ from: 0, to, count }];
const padded4 = (count: number) => Math.ceil(count / 4) * 4;
const paddedPanel = (count: number) => Math.ceil(count / 16) * 16;

/** Neighbouring runs that continue each other become one. */
function joined(runs: readonly Run[]): Run[] {
  const result: Run[] = [];
  for (const run of runs) {
    const last = result.at(-1);
    if (last && last.from + last.count === run.from && last.to + last.count === run.to) {
      result[result.length - 1] = { ...last, count: last.count + run.count };
    } else if (run.count > 0) result.push(run);
  }
  return result;
}

/**
 * Where the dimensions of a head that turns lie among its columns on the device. The first `turning` dimensions turn, d
 * with d + turning / 2; the device turns column c with c + columns / 2, by no angle for the rest.
 */
function turnedRuns(dimension: number, columns: number, turning: number): Run[] {
  const half = turning / 2;
  const room = Math.min(columns / 2 - half, dimension - turning);
  return joined([
    { from: 0, to: 0, count: half },
    { from: turning, to: half, count: room },
    { from: half, to: columns / 2, count: half },
    { from: turning + room, to: columns / 2 + half, count: dimension - turning - room },
  ]);
}

/** Runs of one head for each of several, `from` and `to` telling where each begins. */
function headRuns(heads: number, head: readonly Run[], from: (head: number) => number, to: (head: number) => number) {
  return Array.from(
    { length: heads },
    (_, index) => head.map((run) => ({ from: from(index) + run.from, to: to(index) + run.to, count: run.count })),
  ).flat();
}

/** Makes the layout of one block. */
class BlockPlan {
  readonly matrices: MatrixLayout<MatrixPart>[] = [];
  readonly vectors: VectorLayout<VectorPart>[] = [];
  readonly sources: Source[] = [];
  readonly #row: ArchitectureRow;
  readonly #names: string;

  constructor(readonly config: ModelConfig, readonly layer: number) {
    this.#row = rowOf(config.architecture);
    const { prefixes, block } = this.#row.tensors;
    this.#names = `${prefixes[0]}${block.replace("{}", String(layer))}`;
  }

  /** A projection's tensor. */
  source(name: string, rows: number, columns: number, more: Pick<Source, "runs" | "columns">): Source {
    const transposed = this.#row.tensors.transposed === true;
    return {
      name: `${this.#names}${name}.weight`,
      shape: transposed ? [columns, rows] : [rows, columns],
      ...more,
      ...(transposed ? { transposed } : {}),
    };
  }

  matrix(part: MatrixPart, rows: number, columns: number, sources: readonly Source[], unit?: number): void {
    this.matrices.push({ part, rows, columns, sources, ...(unit === undefined ? {} : { unit }) });
    this.sources.push(...sources);
  }

  /** The bias of a matrix that was just added: as many rows, from the same places. */
  bias(part: VectorPart): void {
    const { rows, sources } = this.matrices.at(-1) as MatrixLayout;
    this.#vector({
      part,
      length: padded4(rows),
      added: 0,
      sources: sources.map(({ name, shape, runs, transposed }) => ({
        name: name.replace(/weight$/, "bias"),
        shape: [shape[transposed ? 1 : 0] as number],
        runs,
      })),
    });
  }

  norm(part: VectorPart, name: string | undefined): void {
    if (name !== undefined) this.#vector(normLayout(part, `${this.#names}${name}`, this.config));
  }

  #vector(layout: VectorLayout<VectorPart>): void {
    this.vectors.push(layout);
    this.sources.push(...layout.sources);
  }

  headNorms(): void {
    const { headNorms, norm, tensors } = this.#row;
    if (headNorms === "none" || !tensors.headNorms) return;
    const { headDimension, heads, keyValueHeads } = this.config;
    const columns = headColumns(this.config);
    let to = 0;
    const sources = [["query", heads], ["key", keyValueHeads]] as const;
    const made = sources.map(([which, count]): Source => {
      const repeated = headNorms === "head" ? 1 : count;
      const start = to;
      to += repeated * columns;
      return {
        name: `${this.#names}${tensors.headNorms?.[which]}.weight`,
        shape: [repeated * headDimension],
        runs: joined(
          headRuns(repeated, this.#turned(), (head) => head * headDimension, (head) => start + head * columns),
        ),
      };
    });
    this.#vector({ part: "headNorms", length: to, added: norm === "rms-plus-one" ? 1 : 0, sources: made });
  }

  #turned(): Run[] {
    const { headDimension, attention } = this.config;
    return turnedRuns(headDimension, headColumns(this.config), attention[this.layer]?.rotation.dimension ?? 0);
  }

  queryKeyValue(): void {
    const { headDimension: dimension, heads, keyValueHeads, hidden, biases } = this.config;
    const { queryKeyValue: stored } = this.#row.tensors;
    const columns = headColumns(this.config);
    const plain = whole(dimension);
    const turned = this.#turned();
    const projections = [
      { count: heads, before: 0, head: turned },
      { count: keyValueHeads, before: heads, head: turned },
      { count: keyValueHeads, before: heads + keyValueHeads, head: plain },
    ];
    const all = heads + 2 * keyValueHeads;
    const place = (before: number) => (head: number) => (before + head) * columns;
    let sources: Source[];
    if (stored.stored === "apart") {
      const names = [stored.query, stored.key, stored.value];
      sources = projections.map(({ count, before, head }, index) =>
        this.source(names[index] as string, count * dimension, hidden, {
          runs: joined(headRuns(count, head, (one) => one * dimension, place(before))),
        })
      );
    } else {
      const runs = projections.flatMap(({ count, before, head }, index) =>
        headRuns(
          count,
          head,
          stored.stored === "stacked" ? (one) => (before + one) * dimension : (one) => (3 * one + index) * dimension,
          place(before),
        )
      );
      sources = [this.source(stored.name, all * dimension, hidden, { runs: joined(runs) })];
    }
    this.matrix("queryKeyValue", all * columns, hidden, sources);
    if (biases.queryKeyValue) this.bias("queryKeyValueBias");
  }

  output(): void {
    const { headDimension, heads, hidden, biases } = this.config;
    const columns = headColumns(this.config);
    const padded = headRuns(heads, whole(headDimension), (head) => head * headDimension, (head) => head * columns);
    this.matrix("output", hidden, heads * columns, [
      this.source(this.#row.tensors.output, hidden, heads * headDimension, {
        runs: whole(hidden),
        ...(columns === headDimension ? {} : { columns: padded }),
      }),
    ]);
    if (biases.output) this.bias("outputBias");
  }

  mlp(): void {
    const mlp = this.config.mlp[this.layer] as LayerMlp;
    if (mlp.kind === "experts") this.#experts(mlp);
    else this.#dense(mlp.width);
  }

  #dense(width: number): void {
    const { hidden, biases } = this.config;
    const { mlp: names } = this.#row.tensors;
    const above = padded4(width);
    if (names.kind === "plain") {
      this.matrix("up", width, hidden, [this.source(names.up, width, hidden, { runs: whole(width) })]);
      if (biases.mlp) this.bias("upBias");
    } else {
      const sources = "gateUp" in names
        ? [
          this.source(names.gateUp, 2 * width, hidden, {
            runs: joined([...whole(width), { from: width, to: above, count: width }]),
          }),
        ]
        : [
          this.source(names.gate, width, hidden, { runs: whole(width) }),
          this.source(names.up, width, hidden, { runs: whole(width, above) }),
        ];
      this.matrix("gateUp", 2 * above, hidden, sources);
      if (biases.mlp) this.bias("gateUpBias");
    }
    this.matrix("down", hidden, width, [this.source(names.down, hidden, width, { runs: whole(hidden) })]);
    if (biases.mlp) this.bias("downBias");
  }

  #experts({ width, experts }: Extract<LayerMlp, { kind: "experts" }>): void {
    const { hidden } = this.config;
    const names = this.#row.tensors.experts;
    if (!names) throw new Error(`${this.config.architecture} names no experts`);
    const above = padded4(width);
    // Each expert begins with a panel of rows.
    const [upper, lower] = [paddedPanel(2 * above), paddedPanel(hidden)];
    const each = (make: (name: (pattern: string) => string, expert: number) => Source[]) =>
      Array.from({ length: experts }, (_, expert) => make((pattern) => pattern.replace("{}", String(expert)), expert))
        .flat();
    this.matrix("router", experts, hidden, [this.source(names.router, experts, hidden, { runs: whole(experts) })]);
    this.matrix(
      "expertGateUp",
      experts * upper,
      hidden,
      each((name, expert) => [
        this.source(name(names.gate), width, hidden, { runs: whole(width, expert * upper) }),
        this.source(name(names.up), width, hidden, { runs: whole(width, expert * upper + above) }),
      ]),
      upper,
    );
    this.matrix(
      "expertDown",
      experts * lower,
      width,
      each((name, expert) => [
        this.source(name(names.down), hidden, width, { runs: whole(hidden, expert * lower) }),
      ]),
      lower,
    );
  }
}

function normLayout<Part extends string>(part: Part, name: string, { hidden, architecture }: ModelConfig) {
  const { norm } = rowOf(architecture);
  const length = padded4(hidden);
  const pieces = norm === "layer" ? ["weight", "bias"] : ["weight"];
  return {
    part,
    length: pieces.length * length,
    added: norm === "rms-plus-one" ? 1 : 0,
    sources: pieces.map((piece, index): Source => ({
      name: `${name}.${piece}`,
      shape: [hidden],
      runs: whole(hidden, index * length),
    })),
  };
}

/** The matrices and vectors of a block. */
export function blockLayout(config: ModelConfig, layer: number): BlockLayout {
  const plan = new BlockPlan(config, layer);
  const { norms } = rowOf(config.architecture).tensors;
  plan.norm("attentionIn", norms.attentionIn);
  plan.norm("attentionOut", norms.attentionOut);
  plan.queryKeyValue();
  plan.headNorms();
  plan.output();
  plan.norm("mlpIn", norms.mlpIn);
  plan.norm("mlpOut", norms.mlpOut);
  plan.mlp();
  return { matrices: plan.matrices, vectors: plan.vectors, sources: plan.sources };
}

/** What stands before and behind the blocks. */
export function outerLayout(config: ModelConfig): OuterLayout {
  const { hidden, vocabulary, maxPositions, tiedEmbeddings } = config;
  const { prefixes: [prefix = ""], embedding, positions, finalNorm, unembedding } = rowOf(config.architecture).tensors;
  const matrix = <Part extends string>(part: Part, name: string, rows: number): MatrixLayout<Part> => ({
    part,
    rows,
    columns: hidden,
    sources: [{ name: `${name}.weight`, shape: [rows, hidden], runs: whole(rows) }],
  });
  const embedded = `${prefix}${embedding}`;
  return {
    embedding: matrix("embedding", embedded, vocabulary),
    unembedding: matrix("unembedding", tiedEmbeddings ? embedded : unembedding, vocabulary),
    positions: positions === undefined ? null : matrix("positions", `${prefix}${positions}`, maxPositions),
    finalNorm: normLayout("finalNorm", `${prefix}${finalNorm}`, config),
  };
}

/** The tensors that the engine reads of a model, under the names that Hugging Face transformers gives them. */
export function requiredTensors(config: ModelConfig): readonly RequiredTensor[] {
  return [...eachRequiredTensor(config)];
}

/** The same, one after the other: a config may claim more than fits into memory, and the first that is missing ends it. */
export function* eachRequiredTensor(config: ModelConfig): Generator<RequiredTensor> {
  const { embedding, unembedding, positions, finalNorm } = outerLayout(config);
  yield* tensorsOf(embedding);
  if (positions) yield* tensorsOf(positions);
  for (let layer = 0; layer < config.layers; layer++) yield* tensorsOf(blockLayout(config, layer));
  yield* tensorsOf(finalNorm);
  if (!config.tiedEmbeddings) yield* tensorsOf(unembedding);
}

const tensorsOf = ({ sources }: { readonly sources: readonly Source[] }): readonly RequiredTensor[] =>
  sources.map(({ name, shape }) => ({ name, shape }));
