/// <reference lib="dom" />
/** @jsxImportSource preact */
/** The address of what is shown, for somebody else. */
import { useEffect, useState } from "preact/hooks";

const SAID_MS = 2500;

/** Whether it is in the clipboard now; browsers give that to secure pages alone. */
async function copyAddress(): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(location.href);
    return true;
  } catch {
    return false;
  }
}

export function CopyLink() {
  const [said, setSaid] = useState("");
  useEffect(() => {
    if (said === "") return;
    const timer = setTimeout(() => setSaid(""), SAID_MS);
    return () => clearTimeout(timer);
  }, [said]);
  return (
    <button
      type="button"
      class="copy-link"
      title="The address holds everything that is shown: view, switches and what is chosen"
      onClick={async () => setSaid(await copyAddress() ? "Copied" : "Copy the address line")}
    >
      <span role="status">{said === "" ? "Copy link" : said}</span>
    </button>
  );
}
