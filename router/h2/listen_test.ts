import { assertEquals } from "@std/assert";
import { SILENT } from "../../shared/_testing.ts";
import { acceptAll } from "./listen.ts";

/** Takes what a listener gives, in order, and then closes. */
async function accept(given: readonly (Deno.Conn | Error)[]) {
  const closing = new AbortController();
  const warnings: string[] = [];
  const served: Deno.Conn[] = [];
  const rest = [...given];
  await acceptAll(
    {
      accept: () => {
        const next = rest.shift();
        if (next === undefined) closing.abort();
        return next instanceof Error
          ? Promise.reject(next)
          : next === undefined
          ? Promise.reject(new Error("closed"))
          : Promise.resolve(next);
      },
    },
    (conn) => served.push(conn),
    closing.signal,
    { ...SILENT, warn: (message) => warnings.push(message) },
  );
  return { served, warnings };
}

const CONN = {} as Deno.Conn;

for (
  const { name, error, warns } of [
    { name: "was reset", error: new Deno.errors.ConnectionReset(), warns: 0 },
    { name: "is gone", error: new Deno.errors.NotConnected(), warns: 0 },
    {
      name: "was broken off",
      error: new Deno.errors.ConnectionAborted(),
      warns: 0,
    },
    {
      name: "there is no descriptor for",
      error: new Error("Too many open files"),
      warns: 1,
    },
  ]
) {
  Deno.test(`acceptAll() takes the connection behind one that ${name}`, async () => {
    const { served, warnings } = await accept([error, CONN]);
    assertEquals(served, [CONN]);
    assertEquals(warnings.length, warns);
  });
}
