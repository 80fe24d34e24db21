import { assert, assertEquals } from "@std/assert";
import { programArgs } from "./programs.ts";

const args = programArgs(
  "router",
  { read: ["/c", "/s"], write: ["/s"] },
  { listen: "unix:/r.sock", "drain-seconds": 2, steering: undefined },
  ["--extra"],
);

Deno.test("programArgs() grants no more than reading and writing its own folders", () => {
  const main = args.findIndex((arg) => arg.endsWith("/router/main.ts"));
  const grants = args.slice(0, main).filter((arg) => /^(-A|--allow)/.test(arg));
  assertEquals(grants, [
    "--allow-net",
    "--allow-env",
    "--allow-sys",
    "--allow-read=/c,/s",
    "--allow-write=/s",
  ]);
  assert(args.includes("--no-prompt"));
});

Deno.test("programArgs() leaves options out that have no value", () => {
  const main = args.findIndex((arg) => arg.endsWith("/router/main.ts"));
  assertEquals(args.slice(main + 1), [
    "--listen=unix:/r.sock",
    "--drain-seconds=2",
    "--extra",
  ]);
});
