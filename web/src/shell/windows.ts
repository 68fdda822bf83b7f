/** Long vectors come in windows; a few are asked for at a time. */

const AT_ONCE = 4;

/** Reads positions 0 to `total` in windows of `size`, four at a time, and gives the windows in order. */
export async function readWindows<Window>(
  total: number,
  size: number,
  read: (from: number, count: number) => Promise<Window>,
): Promise<readonly Window[]> {
  const starts = Array.from({ length: Math.ceil(total / size) }, (_, index) => index * size);
  const windows: Window[] = [];
  for (let group = 0; group < starts.length; group += AT_ONCE) {
    const part = starts.slice(group, group + AT_ONCE);
    windows.push(...await Promise.all(part.map((from) => read(from, Math.min(size, total - from)))));
  }
  return windows;
}
