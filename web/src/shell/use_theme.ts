/// <reference lib="dom" />
/** The theme that the page is shown in, for what CSS cannot paint. */
import { useEffect, useState } from "preact/hooks";
import type { Theme } from "../../../figures/colour.ts";

export function useTheme(): Theme {
  const [dark, setDark] = useState(() => matchMedia("(prefers-color-scheme: dark)").matches);
  useEffect(() => {
    const query = matchMedia("(prefers-color-scheme: dark)");
    const read = () => setDark(query.matches);
    query.addEventListener("change", read);
    return () => query.removeEventListener("change", read);
  }, []);
  return dark ? "dark" : "light";
}
