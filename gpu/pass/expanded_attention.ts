/**
 * Attention of sequences that share rows (shared_rows.ts): their q, k and v are laid out sequence by sequence and attended
 * to as in a pass of their own, so that every sum has its order; what the heads write is taken back.
 */
import { PANEL } from "../kernels/panels.ts";
import { moveRows } from "../kernels/row-moves.ts";
import type { ModelConfig } from "../model/config.ts";
import { type Block, blockOf, gradientRowBytes } from "./block.ts";
import { type BlockState, type Place, type Slot, slot, type Workspace } from "./operation.ts";
import { ATTENDED, headWidths, QUERY_KEY_VALUE, ROTATED } from "./operations/heads.ts";
import { pays, type RowCount, type SharedRows } from "./shared_rows.ts";
import { layOutWhole } from "./workspace.ts";

export interface ExpandedAttention {
  /** The sequences, whole. */
  readonly workspace: Workspace;
  /** A block's state as the sequences have it; its q, k and v are there once `attend` is recorded. */
  stateOf(state: BlockState): BlockState;
  /** Records what the heads of a block write, [rows, q] of the shared rows; `bias` [rows of the sequences]. */
  attend(block: Block, place: Place, bias: GPUBuffer | undefined): void;
}

/** Of a block's state, what is laid out for each sequence; blocks do not differ in it. */
function stateSlotsOf(config: ModelConfig): readonly Slot[] {
  const { heads, attention } = blockOf(config, 0);
  return [...heads.state, ...attention.state];
}

/** Device bytes of a forward pass, about, weights and logits left out. */
export function passBytesOf(config: ModelConfig, rows: RowCount, isAblated: boolean): number {
  const rowBytes = gradientRowBytes(config);
  if (isAblated || !pays(rows)) return rows.all * rowBytes;
  const laidOut = [...stateSlotsOf(config), ...blockOf(config, 0).attention.scratch];
  return rows.unique * rowBytes + rows.all * laidOut.reduce((sum, { bytes }) => sum + bytes(PANEL) / PANEL, 0);
}

/** Lays sequences out beside the work space of their shared rows, and is freed with it. */
export function expandAttention(
  shared: Workspace,
  { unique, rowOf, ownFrom }: SharedRows,
  lengths: readonly number[],
): ExpandedAttention {
  const { device, config, adopt } = shared;
  const { query, rotated, queryKeyValue } = headWidths(config);
  const isComputed = (sequence: number, position: number) =>
    position >= (ownFrom[sequence] as number) && rowOf[sequence]?.[position] !== -1;
  const workspace = layOutWhole(shared, lengths, (sequence, first, rows) => {
    const end = Math.min(first + rows, lengths[sequence] as number);
    for (let position = first; position < end; position++) if (isComputed(sequence, position)) return true;
    return false;
  });
  const firstRow = (sequence: number) => workspace.sequences[sequence]?.firstRow ?? 0;
  // What nobody looks at, hidden keys and padding, has any row's numbers.
  const sources = new Uint32Array(workspace.rows);
  rowOf.forEach((rows, sequence) =>
    rows.forEach((row, position) => sources[firstRow(sequence) + position] = Math.max(0, row))
  );
  const results = Uint32Array.from(unique, ({ sequence, position }) => firstRow(sequence) + position);
  const upload = (values: Uint32Array<ArrayBuffer>, label: string) => {
    const buffer = adopt(device.allocate(values.byteLength, label));
    device.write(buffer, 0, values);
    return buffer;
  };
  const fromRows = upload(sources, "rows that sequences share");
  const toRows = upload(results, "rows of the sequences that are their own");
  const own = stateSlotsOf(config).map(({ name, label, bytes }) =>
    [name, adopt(device.allocate(bytes(workspace.rows), `${label}, sequence by sequence`))] as const
  );
  const stateOf = (state: BlockState): BlockState => ({ ...state, slots: new Map([...state.slots, ...own]) });
  return {
    workspace,
    stateOf,
    attend(block, { weights, state }, bias) {
      const whole = stateOf(state);
      // Of the projections attention reads v alone: q and k as they are rotated.
      for (
        const [name, columns, first] of [[ROTATED, rotated, 0], [QUERY_KEY_VALUE, queryKeyValue, rotated]] as const
      ) {
        moveRows(device, "gather", workspace.rows, columns, fromRows, slot(state, name), slot(whole, name), first);
      }
      block.attention.forward(workspace, { weights, state: whole }, bias);
      moveRows(device, "gather", unique.length, query, toRows, slot(workspace, ATTENDED), slot(shared, ATTENDED));
    },
  };
}
