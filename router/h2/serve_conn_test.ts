import { Buffer } from "node:buffer";
import {
  Client,
  credentials,
  Metadata,
  type ServiceError,
} from "@grpc/grpc-js";
import { connect } from "node:net";
import { assert, assertEquals, assertRejects } from "@std/assert";
import type { AcceptCall } from "../grpc_call.ts";
import * as h2 from "./frames.ts";
import { serveConn, type ServedConn } from "./serve_conn.ts";

const asIs = (bytes: Buffer): Buffer => bytes;

/** Answers each message with itself. */
const echo: AcceptCall = (call) => ({
  message(bytes) {
    call.write(bytes);
    return Promise.resolve();
  },
  end: () => call.end(),
  cancelled: () => {},
});

/** A server of `/s/Echo`, or of what is given. */
async function serve(accept = echo) {
  const conns = new Set<ServedConn>();
  const defects: unknown[] = [];
  const dir = await Deno.makeTempDir();
  const path = `${dir}/h2.sock`;
  const listener = Deno.listen({ transport: "unix", path });
  const accepted: ServedConn[] = [];
  const waiting: ((one: ServedConn) => void)[] = [];
  const accepting = (async () => {
    try {
      for await (const conn of listener) {
        const one = serveConn(
          conn,
          new Map([["/s/Echo", accept]]),
          (error) => defects.push(error),
        );
        conns.add(one);
        const next = waiting.shift();
        if (next === undefined) accepted.push(one);
        else next(one);
      }
    } catch {
      // It is closed.
    }
  })();
  return {
    path,
    /** The next connection that was taken. */
    nextConn: (): Promise<ServedConn> => {
      const one = accepted.shift();
      return one === undefined
        ? new Promise((resolve) => waiting.push(resolve))
        : Promise.resolve(one);
    },
    defects,
    async [Symbol.asyncDispose]() {
      listener.close();
      await accepting;
      for (const conn of conns) conn.destroy();
      await Promise.all([...conns].map(({ ended }) => ended));
      await Deno.remove(dir, { recursive: true });
    },
  };
}

function clientOf(path: string): Client {
  return new Client(`unix:${path}`, credentials.createInsecure(), {
    "grpc.max_receive_message_length": -1,
    "grpc.max_send_message_length": -1,
  });
}

/** Sends messages on one stream, one after the other, and compares. */
async function talk(client: Client, messages: readonly Buffer[]) {
  const stream = client.makeBidiStreamRequest("/s/Echo", asIs, asIs);
  const answers = stream[Symbol.asyncIterator]();
  for (const message of messages) {
    stream.write(message);
    const { value, done } = await answers.next();
    assert(!done);
    assertEquals(Buffer.compare(value, message), 0);
  }
  stream.end();
  assertEquals((await answers.next()).done, true);
}

Deno.test("serveConn() carries 2,000 calls of a real client, 50 at once", async () => {
  await using server = await serve();
  const client = clientOf(server.path);
  let left = 2_000;
  await Promise.all(Array.from({ length: 50 }, async () => {
    while (left-- > 0) {
      await talk(client, [Buffer.from(`a${left}`), Buffer.from(`b${left}`)]);
    }
  }));
  client.close();
  assertEquals(server.defects, []);
});

Deno.test("serveConn() carries messages of 9 MiB among small ones, both ways", async () => {
  await using server = await serve();
  const client = clientOf(server.path);
  const large = Buffer.alloc(9 * 1024 * 1024);
  for (let i = 0; i < large.length; i += 4) large.writeInt32LE(i, i);
  await Promise.all([
    talk(client, [large, Buffer.from("small"), large]),
    talk(client, [Buffer.alloc(70_000, 1), Buffer.alloc(0), large]),
    talk(client, Array.from({ length: 200 }, (_, i) => Buffer.alloc(i, i))),
  ]);
  client.close();
  assertEquals(server.defects, []);
});

Deno.test("serveConn() reads headers of a real client, however long", async () => {
  await using server = await serve();
  const client = clientOf(server.path);
  for (const value of ["x".repeat(30_000), "ab", "ab", "\u0021~^|<>"]) {
    const metadata = new Metadata();
    metadata.set("x-some", value);
    const answer = await new Promise<Buffer | undefined>((resolve, reject) =>
      client.makeUnaryRequest(
        "/s/Echo",
        asIs,
        asIs,
        Buffer.from("hello"),
        metadata,
        (error, value) => error ? reject(error) : resolve(value),
      )
    );
    assertEquals(answer?.toString(), "hello");
  }
  client.close();
});

Deno.test("serveConn() tells a client of methods that there are not", async () => {
  await using server = await serve();
  const client = clientOf(server.path);
  const stream = client.makeBidiStreamRequest("/s/Other", asIs, asIs);
  const error = await assertRejects(() =>
    stream[Symbol.asyncIterator]().next()
  );
  assertEquals((error as ServiceError).code, 12);
  client.close();
});

Deno.test("serveConn() notices that a client has gone", async () => {
  const cancelled = Promise.withResolvers<void>();
  const called = Promise.withResolvers<void>();
  await using server = await serve(() => ({
    message: () => Promise.resolve(called.resolve()),
    end: () => {},
    cancelled: cancelled.resolve,
  }));
  const client = clientOf(server.path);
  const stream = client.makeBidiStreamRequest("/s/Echo", asIs, asIs);
  stream.on("error", () => {});
  stream.write(Buffer.from("x"));
  await called.promise;
  stream.cancel();
  await cancelled.promise;
  client.close();
});

Deno.test("serveConn() does not read from a peer that does not read", async () => {
  await using server = await serve();
  const peer = connect(server.path);
  peer.pause();
  peer.write(h2.PREFACE);
  peer.write(Uint8Array.of(0, 0, 0, h2.SETTINGS, 0, 0, 0, 0, 0));
  const pings = Buffer.concat(
    Array.from(
      { length: 1_000 },
      () =>
        Uint8Array.of(
          ...[0, 0, 8, h2.PING, 0, 0, 0, 0, 0],
          ...new Array(8).fill(1),
        ),
    ),
  );
  // Each is answered: without a bound, as many bytes would wait as were sent.
  let sent = 0;
  for (let taken = true; taken; sent += pings.length) {
    assert(sent < 64 * 1024 * 1024, "everything was read");
    taken = peer.write(pings) || await Promise.race([
      new Promise<boolean>((resolve) =>
        peer.once("drain", () => resolve(true))
      ),
      new Promise<boolean>((resolve) => setTimeout(resolve, 2_000, false)),
    ]);
  }
  // Once it reads, it gets an answer to all that it sent.
  let received = 0;
  const all = Promise.withResolvers<void>();
  peer.on("data", (bytes: Buffer) => {
    received += bytes.length;
    if (received >= sent) all.resolve();
  });
  peer.resume();
  await all.promise;
  peer.destroy();
});

for (const end of ["ends", "is destroyed"]) {
  Deno.test(`serveConn() ends where the peer ${end}`, async () => {
    await using server = await serve();
    const peer = connect(server.path);
    await new Promise<void>((resolve) =>
      peer.write(h2.PREFACE, () => resolve())
    );
    const served = await server.nextConn();
    if (end === "ends") peer.end();
    else peer.destroy();
    await served.ended;
    peer.destroy();
  });
}

Deno.test("ServedConn.close() says goodbye to whoever reads, and to nobody else for long", async () => {
  await using server = await serve();
  const [polite, deaf] = [connect(server.path), connect(server.path)];
  const served = [await server.nextConn(), await server.nextConn()];
  // More than it can write at once, and what it has not read.
  const settings = Uint8Array.of(0, 0, 0, h2.SETTINGS, 0, 0, 0, 0, 0);
  for (const peer of [polite, deaf]) {
    peer.write(Buffer.concat([Buffer.from(h2.PREFACE), settings]));
  }
  const said: Buffer[] = [];
  polite.on("data", (bytes: Buffer) => said.push(bytes));
  polite.on("end", () => polite.end());
  deaf.pause();
  for (const one of served) one.close();
  await Promise.all(served.map(({ ended }) => ended));
  assertEquals(Buffer.concat(said).at(-17 + 3), h2.GOAWAY);
  polite.destroy();
  deaf.destroy();
});
