/** @jsxImportSource preact */
/** A file of this server. Where the server asks for a token, the link cannot carry it, so the file is fetched first. */
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { accessToken, authorization } from "./access_token.ts";

async function save(path: string, name: string): Promise<void> {
  const response = await fetch(path, { headers: authorization() });
  if (!response.ok) throw new Error(`The server answered ${response.status}.`);
  const address = URL.createObjectURL(await response.blob());
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
  URL.revokeObjectURL(address);
}

export function DownloadLink(props: {
  readonly path: string;
  /** Of the file; the last part of the path when left out. */
  readonly name?: string;
  readonly children: ComponentChildren;
}) {
  const { path, children } = props;
  const name = props.name ?? path.split("/").at(-1) ?? "";
  const [trouble, setTrouble] = useState("");
  return (
    <>
      <a
        href={path}
        download={name}
        onClick={(event) => {
          if (accessToken() === null) return;
          event.preventDefault();
          save(path, name).catch((error: Error) => setTrouble(error.message));
        }}
      >
        {children}
      </a>
      <span role="status">{trouble === "" ? "" : ` ${trouble}`}</span>
    </>
  );
}
