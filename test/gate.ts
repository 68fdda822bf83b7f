/**
 * The gate, `npm test`: format, lint and an audit, then all tests, and beside them the types of all code, which keep one
 * processor busy for a minute. Ends with 1 where anything does not hold. Arguments are Vitest's; `check` alone leaves the
 * tests out (`npm run check`).
 */
const FIRST = [["fmt", "--check"], ["lint"], ["run", "-A", "test/audit.ts"]];
const TYPES = ["check", "gpu", "server", "schema", "figures", "web", "test", "docs/examples"];
const TESTS = ["run", "-A", "node_modules/vitest/vitest.mjs", "run"];

const command = (args: readonly string[], output: "inherit" | "piped") =>
  new Deno.Command(Deno.execPath(), { args: [...args], stdin: "null", stdout: output, stderr: output });

async function holds(args: readonly string[]): Promise<boolean> {
  return (await command(args, "inherit").spawn().status).success;
}

for (const first of FIRST) if (!await holds(first)) Deno.exit(1);
const checkOnly = Deno.args.length === 1 && Deno.args[0] === "check";
if (checkOnly) Deno.exit(await holds(TYPES) ? 0 : 1);
const types = command(TYPES, "piped").output();
const tested = await holds([...TESTS, ...Deno.args]);
const { success, stderr } = await types;
if (!success) console.error(new TextDecoder().decode(stderr));
Deno.exit(tested && success ? 0 : 1);
