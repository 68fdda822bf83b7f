/** Matrices and vectors of tests on a device, and back. */
import type { Device } from "../gpu/device/device.ts";
import { columns4, packPanels, panelBytes, unpackPanels } from "../gpu/kernels/panels.ts";

/** What moves numbers to a device and from it; the device is asked for at each call, since it is opened later. */
export function matricesOn(device: () => Device) {
  const list = (values: Uint32Array | Float32Array): GPUBuffer => {
    const buffer = device().allocate(values.byteLength, "test list");
    device().write(buffer, 0, values);
    return buffer;
  };
  return {
    /** A matrix [rows, columns] in panels. */
    upload: (values: ArrayLike<number>, rows: number, columns: number): GPUBuffer => {
      const buffer = device().allocate(panelBytes(rows, columns), "test matrix");
      device().write(buffer, 0, packPanels(values, rows, columns));
      return buffer;
    },
    /** A vector, filled up with zeros to a multiple of 4. */
    uploadVector: (values: ArrayLike<number>): GPUBuffer => {
      const padded = new Float32Array(columns4(values.length) * 4);
      padded.set(Array.from(values));
      return list(padded);
    },
    list,
    zeros: (rows: number, columns: number): GPUBuffer => device().allocate(panelBytes(rows, columns), "test output"),
    /** The numbers of a matrix in panels, row by row. */
    download: async (buffer: GPUBuffer, rows: number, columns: number): Promise<Float32Array> =>
      unpackPanels(new Float32Array(await device().read(buffer, 0, panelBytes(rows, columns))), rows, columns),
  };
}
