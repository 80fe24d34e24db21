import { assertEquals, assertRejects } from "@std/assert";
import { server as serverConfig } from "../../../shared/_testing.ts";
import { SecretError } from "../../../shared/config/secrets.ts";
import { GatewayError } from "../../../shared/errors.ts";
import {
  newRequest,
  writeRequest,
} from "../../../shared/stateless/write_request.ts";
import { recorder } from "../../_testing/recorder.ts";
import { sendUpstream } from "./upstream_request.ts";

const NO_HEADERS: readonly (readonly [string, string])[] = [];

/** Sends a request over real connections. */
async function sendTo(
  url: string,
  headers = () => Promise.resolve(NO_HEADERS),
  signal = new AbortController().signal,
) {
  const envelope = { revision: "2026-07-28", capabilities: {} } as const;
  return await sendUpstream(
    {
      server: serverConfig("a", { url }),
      authorization: undefined,
      written: writeRequest(newRequest("1", "tools/list"), { envelope }),
      onNotification: () => {},
    },
    {
      fetch: ({ url }, init) => fetch(url, init),
      headers,
      answerBytes: 10,
      log: recorder(),
    },
    signal,
  );
}

async function refusalTo(sent: Promise<unknown>): Promise<string> {
  const error = await assertRejects(() => sent, GatewayError);
  return error.refusal.kind;
}

Deno.test("sendUpstream() knows that a request was not run that found nobody", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  assertEquals(
    await refusalTo(sendTo(`http://127.0.0.1:${port}/`)),
    "server unreachable",
  );
});

Deno.test("sendUpstream() does not know what became of a request whose connection broke", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const accepting = listener.accept().then(async (connection) => {
    await connection.read(new Uint8Array(10_000));
    connection.close();
  });
  const refusal = refusalTo(sendTo(`http://127.0.0.1:${listener.addr.port}/`));
  await accepting;
  assertEquals(await refusal, "connection lost");
});

Deno.test("sendUpstream() reads no answer larger than it may be", async () => {
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    () => Response.json({ jsonrpc: "2.0", id: 1, result: {} }),
  );
  const { port } = server.addr;
  assertEquals(
    await refusalTo(sendTo(`http://127.0.0.1:${port}/`)),
    "invalid answer",
  );
});

Deno.test("sendUpstream() sends nothing without the credential that goes with it", async () => {
  const missing = () =>
    Promise.reject(new SecretError("file key", "it cannot be read"));
  assertEquals(
    await refusalTo(sendTo("http://127.0.0.1:1/", missing)),
    "credential missing",
  );
});

Deno.test("sendUpstream() ends with the reason of whoever ended it", async () => {
  const over = AbortSignal.abort(new RangeError("enough"));
  await assertRejects(
    () => sendTo("http://127.0.0.1:1/", undefined, over),
    RangeError,
    "enough",
  );
});
