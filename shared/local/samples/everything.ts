/**
 * Runs `@modelcontextprotocol/server-everything`, the reference server that
 * shows every feature of the protocol, as a program of its own. Changes
 * nothing about its protocol; only makes it listen on loopback, where it would
 * take every interface, and say on which port.
 *
 * Run as `everything.ts PORT`; port 0 takes a free one.
 *
 * @module
 */

import net from "node:net";
import process from "node:process";

const listen = net.Server.prototype.listen;
// Express hands its port down to here and leaves the host out.
net.Server.prototype.listen = function (this: net.Server, ...args: unknown[]) {
  this.once("listening", () => {
    const address = this.address();
    if (address === null || typeof address === "string") return;
    console.log(`listening on http://127.0.0.1:${address.port}/mcp`);
  });
  const started = args.find((arg) => typeof arg === "function");
  return listen.call(
    this,
    { host: "127.0.0.1", port: Number(args[0]) },
    started as (() => void) | undefined,
  );
} as typeof listen;

// One of its tools shows the environment to whoever asks.
for (const name of Object.keys(process.env)) delete process.env[name];
process.env.PORT = Deno.args[0] ?? "0";
process.argv[2] = "streamableHttp";
await import("@modelcontextprotocol/server-everything/dist/index.js");
