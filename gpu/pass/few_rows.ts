/** The last block of a pass whose output is wanted at few rows: behind its attention those alone are computed. */
import { PANEL, panelBytes, panelsOf } from "../kernels/panels.ts";
import { moveRows } from "../kernels/row-moves.ts";
import { scratchSlots, stateSlots } from "./block.ts";
import type { Rest } from "./forward.ts";
import { type Slot, slot, type Workspace } from "./operation.ts";
import { ATTENDED, headWidths } from "./operations/heads.ts";

/** Takes `rows` of a work space out of what a block's heads wrote and of its input; freed with the work space. */
export function takeRows(workspace: Workspace, rows: readonly number[], { place: { weights, state } }: Rest): Rest {
  const { device, config, adopt } = workspace;
  const { hidden } = config;
  const padded = panelsOf(rows.length) * PANEL;
  const allocate = (bytes: number, label: string) => adopt(device.allocate(bytes, label));
  const list = allocate(padded * 4, "rows that are read");
  device.write(list, 0, Uint32Array.from(rows));
  const gather = (matrix: GPUBuffer, columns: number, label: string) => {
    const out = allocate(panelBytes(padded, columns), `${label}, of rows that are read`);
    moveRows(device, "gather", rows.length, columns, list, matrix, out);
    return out;
  };
  const own = (slots: readonly Slot[]) =>
    slots.map(({ name, label, bytes }) => [name, allocate(bytes(padded), `${label}, of rows that are read`)] as const);
  const attended = gather(slot(workspace, ATTENDED), headWidths(config).query, "attention output");
  const scratch = own(scratchSlots(config).filter(({ name }) => name !== ATTENDED));
  return {
    workspace: {
      ...workspace,
      rows: padded,
      usedRows: rows.length,
      slots: new Map([...scratch, [ATTENDED, attended]]),
    },
    place: {
      weights,
      state: {
        ...state,
        input: gather(state.input, hidden, "input"),
        middle: allocate(panelBytes(padded, hidden), "middle rows, of rows that are read"),
        slots: new Map(own(stateSlots(config))),
      },
    },
  };
}
