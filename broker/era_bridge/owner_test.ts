import { assertEquals } from "@std/assert";
import { randomBytes } from "node:crypto";
import { CALLER_HEADER, FORWARDED_HEADER } from "../../shared/headers.ts";
import { readCaller, signCaller } from "../../shared/sessions/caller.ts";
import { KeyRing } from "../../shared/sessions/keys.ts";
import type { SealedPlace } from "../../shared/sessions/seal.ts";
import {
  FORWARDED_PATH,
  forwardToOwner,
  openOwned,
  sealOwned,
  serveForwarded,
} from "./owner.ts";

const KEYS = new KeyRing(new Uint8Array(32).fill(1));
const SEALING = { keys: KEYS, randomBytes };
const PLACE: SealedPlace = { kind: "question", session: "s" };
const OWNER = { broker: "ab12", url: "http://10.0.0.2:9090" };
const OWNED = { owner: OWNER, what: { call: "x", question: 3 } };
const CALLER = {
  identity: "who",
  route: "/mcp/team/v",
  virtualServer: "team/v",
};

Deno.test("openOwned() reads what sealOwned() wrote, and shows nothing of it", () => {
  const sealed = sealOwned(SEALING, PLACE, OWNED);
  assertEquals(/^[A-Za-z0-9_-]+$/.test(sealed), true);
  assertEquals(openOwned(KEYS, PLACE, sealed), OWNED);
});

Deno.test("openOwned() leaves out a URL that the owner does not have", () => {
  const nowhere = { owner: { broker: "ab12" }, what: 1 };
  const sealed = sealOwned(SEALING, PLACE, nowhere);
  assertEquals(openOwned(KEYS, PLACE, sealed), nowhere);
});

const sealed = sealOwned(SEALING, PLACE, OWNED);
const NOT_OPENED: readonly {
  readonly name: string;
  readonly text: string;
  readonly place?: SealedPlace;
  readonly keys?: KeyRing;
}[] = [
  {
    name: "of another session",
    text: sealed,
    place: { ...PLACE, session: "t" },
  },
  {
    name: "of another kind",
    text: sealed,
    place: { ...PLACE, kind: "parked call" },
  },
  { name: "cut short", text: sealed.slice(0, -2) },
  { name: "that is empty", text: "" },
  { name: "with a letter that it cannot have", text: `${sealed}=` },
  {
    name: "of another gateway",
    text: sealed,
    keys: new KeyRing(new Uint8Array(32).fill(2)),
  },
];
for (const { name, text, place = PLACE, keys = KEYS } of NOT_OPENED) {
  Deno.test(`openOwned() does not open a text ${name}`, () => {
    assertEquals(openOwned(keys, place, text), undefined);
  });
}

/** A broker's internal listener that says back what reached its handler. */
function startOwner(): { url: string } & AsyncDisposable {
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    (request) =>
      serveForwarded(
        request,
        async (own) =>
          Response.json({
            path: new URL(own.url).pathname,
            headers: Object.fromEntries(own.headers),
            caller: readCaller(KEYS, own.headers.get(CALLER_HEADER)!, 1_000)
              ?.identity,
            body: await own.text(),
          }, { status: 202 }),
        KEYS,
        1_000,
      ),
  );
  return {
    url: `http://127.0.0.1:${server.addr.port}`,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

const forwarding = { keys: KEYS, fetch, now: () => 1_000 };
const body = new TextEncoder().encode('{"id":9007199254740993}');

Deno.test("forwardToOwner() takes a request to its owner as its client sent it", async () => {
  await using owner = startOwner();
  const headers = new Headers({
    "content-type": "application/json",
    "mcp-session-id": "token",
    "authorization": "Bearer t",
    "origin": "http://app.example",
    "x-mcp-caller": "forged",
    "connection": "close",
  });
  const response = await forwardToOwner(
    { broker: "ab", url: `${owner.url}/` },
    { headers, body, caller: CALLER },
    forwarding,
  );
  assertEquals(response?.status, 202);
  const seen = await response!.json();
  assertEquals(seen.path, "/mcp/team/v");
  assertEquals(seen.caller, "who");
  assertEquals(seen.body, '{"id":9007199254740993}');
  assertEquals(seen.headers["mcp-session-id"], "token");
  assertEquals(seen.headers["authorization"], "Bearer t");
  assertEquals(seen.headers[FORWARDED_HEADER], "1");
  // Checked where it came in.
  assertEquals("origin" in seen.headers || "host" in seen.headers, false);
});

Deno.test("forwardToOwner() answers nothing where the owner is gone, has no URL, or the request was passed on already", async () => {
  const gone = await (async () => {
    await using owner = startOwner();
    return owner.url;
  })();
  const request = { headers: new Headers(), body, caller: CALLER };
  const forward = (url: string | undefined, headers = new Headers()) =>
    forwardToOwner(
      { broker: "ab", ...(url === undefined ? {} : { url }) },
      { ...request, headers },
      forwarding,
    );
  assertEquals(await forward(gone), undefined);
  assertEquals(await forward(undefined), undefined);
  await using owner = startOwner();
  assertEquals(
    await forward(owner.url, new Headers({ [FORWARDED_HEADER]: "1" })),
    undefined,
  );
});

const FORGED: readonly (readonly [name: string, headers: HeadersInit])[] = [
  ["no statement", { [FORWARDED_HEADER]: "1" }],
  ["a forged one", { [FORWARDED_HEADER]: "1", [CALLER_HEADER]: "v1.a.b.c" }],
  ["one that is over", {
    [FORWARDED_HEADER]: "1",
    [CALLER_HEADER]: signCaller(KEYS, CALLER, -1_000_000),
  }],
  ["no mark", { [CALLER_HEADER]: signCaller(KEYS, CALLER, 1_000) }],
];
for (const [name, headers] of FORGED) {
  Deno.test(`serveForwarded() refuses a request with ${name}`, async () => {
    await using owner = startOwner();
    const response = await fetch(new URL(FORWARDED_PATH, owner.url), {
      method: "POST",
      headers,
      body: "{}",
    });
    await response.body?.cancel();
    assertEquals(response.status, 403);
  });
}
