/** Who reads and marks in this browser, and how; remembered for the next case. */
import { useEffect, useState } from "preact/hooks";

const NAME = "culprit.annotator";
const BLIND = "culprit.blind";

function useKept(key: string): readonly [string, (value: string) => void] {
  const [value, setValue] = useState(() => localStorage.getItem(key) ?? "");
  useEffect(() => localStorage.setItem(key, value), [value]);
  return [value, setValue];
}

export const useReaderName = () => useKept(NAME);

/** Whether the classifier's word and other people's labels stay hidden until the reader has said theirs. */
export function useBlind(): readonly [boolean, (blind: boolean) => void] {
  const [value, setValue] = useKept(BLIND);
  return [value === "yes", (blind) => setValue(blind ? "yes" : "no")];
}
