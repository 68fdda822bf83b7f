/** @jsxImportSource preact */
/** A file of this server. Where the server asks for a token, the link cannot carry it, so the file is fetched first. */
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { accessToken, authorization } from "./access_token.ts";

async function save(path: string): Promise<void> {
  const response = await fetch(path, { headers: authorization() });
  if (!response.ok) throw new Error(`The server answered ${response.status}.`);
  const address = URL.createObjectURL(await response.blob());
  const link = document.createElement("a");
  link.href = address;
  link.download = path.split("/").at(-1) ?? "";
  link.click();
  URL.revokeObjectURL(address);
}

export function DownloadLink({ path, children }: { readonly path: string; readonly children: ComponentChildren }) {
  const [trouble, setTrouble] = useState("");
  return (
    <>
      <a
        href={path}
        download
        onClick={(event) => {
          if (accessToken() === null) return;
          event.preventDefault();
          save(path).catch((error: Error) => setTrouble(error.message));
        }}
      >
        {children}
      </a>
      <span role="status">{trouble === "" ? "" : ` ${trouble}`}</span>
    </>
  );
}
