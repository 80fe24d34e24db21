/**
 * What a session costs per request: `deno bench -A shared/sessions`.
 *
 * @module
 */

import { readCaller, signCaller } from "./caller.ts";
import { identityOf } from "./identity.ts";
import { KeyRing } from "./keys.ts";
import { type SessionRequest, Sessions } from "./sessions.ts";
import { SqliteStore } from "./sqlite_store.ts";
import type { Logger } from "../log.ts";
import { readSession } from "./token.ts";

const silent: Logger = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  with: () => silent,
};
const randomBytes = (length: number) =>
  crypto.getRandomValues(new Uint8Array(length));
const REQUEST: SessionRequest = {
  identity: "nTn8wq1bFvWgPq0cJr7yZA",
  route: "/mcp",
  revision: "2025-11-25",
  capabilities: { elicitation: {}, roots: { listChanged: true } },
  clientInfo: { name: "bench", version: "1" },
};
const SERVER = { name: "weather", fingerprint: "0123456789abcdef" };

const stateDir = await Deno.makeTempDir();
addEventListener(
  "unload",
  () => Deno.removeSync(stateDir, { recursive: true }),
);
const keys = new KeyRing(randomBytes(32));
const store = await SqliteStore.open(stateDir);
const other = await SqliteStore.open(stateDir);
const sessions = new Sessions({
  store,
  keys,
  now: Date.now,
  randomBytes,
  log: silent,
  limits: { total: Infinity, perIdentity: Infinity },
});
const opened = await sessions.open(REQUEST);
if (opened.kind === "refused") throw new Error("session refused");
const { token, claims } = opened;
const open = () => Promise.resolve({ id: "b", revision: "2025-11-25" });
let later = Date.now() + 1;
await sessions.verify(token, REQUEST);
await sessions.backend(claims, SERVER, open, { deadlineMs: 1000 });
const caller = signCaller(keys, REQUEST, Date.now());
const authorization = `Bearer ${btoa('{"alg":"RS256"}')}.${
  btoa('{"iss":"https://id.example","sub":"me","aud":"x"}').replaceAll("=", "")
}.${"A".repeat(342)}`;

Deno.bench("peek, remembered", { group: "verify", baseline: true }, () => {
  sessions.peek(token, REQUEST);
});

Deno.bench("verify, remembered", { group: "verify" }, async () => {
  await sessions.verify(token, REQUEST);
});

Deno.bench("verify, after another process wrote", {
  group: "verify",
}, async (bench) => {
  await other.touch(claims.id, later++); // an equal value is no write
  bench.start();
  await sessions.verify(token, REQUEST);
  bench.end();
});

Deno.bench("token read from scratch", { group: "verify" }, () => {
  readSession(keys, token, claims.issuedAt);
});

Deno.bench("backend, remembered", async () => {
  await sessions.backend(claims, SERVER, open, { deadlineMs: 1000 });
});

Deno.bench("identity of a bearer token", () => {
  identityOf({ authorization }, {});
});

Deno.bench("caller signed", () => {
  signCaller(keys, REQUEST, Date.now());
});

Deno.bench("caller read", () => {
  readCaller(keys, caller, Date.now());
});

Deno.bench("open and end", async () => {
  const outcome = await sessions.open(REQUEST);
  if (outcome.kind === "opened") await sessions.end(outcome.claims);
});
