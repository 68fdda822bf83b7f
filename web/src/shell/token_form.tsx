/** @jsxImportSource preact */
/** Asks for the API token that the server wants. */
import { useState } from "preact/hooks";
import { accessToken, setAccessToken } from "./access_token.ts";

export function TokenForm() {
  const [text, setText] = useState("");
  return (
    <form
      class="notice sheet"
      onSubmit={(event) => {
        event.preventDefault();
        setAccessToken(text.trim());
        location.reload();
      }}
    >
      <h2>This server asks for an API token</h2>
      <p class="quiet">
        {accessToken() === null ? "" : "The token that this browser keeps was refused. "}
        It is one of those in CULPRIT_TOKENS. This browser will keep it for this address.
      </p>
      <div class="filter">
        <label class="field wide">
          API token
          <input
            type="password"
            autocomplete="off"
            required
            value={text}
            onInput={({ currentTarget }) => setText(currentTarget.value)}
          />
        </label>
        <button type="submit" class="strong">Use it</button>
      </div>
    </form>
  );
}
