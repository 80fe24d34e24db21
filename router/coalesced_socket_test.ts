import { Buffer } from "node:buffer";
import { once } from "node:events";
import { nextTick } from "node:process";
import { connect, createServer, type Socket } from "node:net";
import { assertEquals, assertGreater } from "@std/assert";
import { CoalescedSocket } from "./coalesced_socket.ts";

/** A connected pair on loopback. */
async function pair(): Promise<
  { near: Socket; far: Socket; close: () => Promise<void> }
> {
  const accepted = Promise.withResolvers<Socket>();
  const listener = createServer((socket) => accepted.resolve(socket));
  await new Promise<void>((resolve) =>
    listener.listen(0, "127.0.0.1", () => resolve())
  );
  const address = listener.address();
  const port = typeof address === "object" && address ? address.port : 0;
  const far = connect(port, "127.0.0.1");
  const near = await accepted.promise;
  return {
    near,
    far,
    close: async () => {
      near.destroy();
      far.destroy();
      await new Promise((resolve) => listener.close(resolve));
    },
  };
}

/** Collects what arrives until the other side ends. */
async function received(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk);
  return Buffer.concat(chunks);
}

Deno.test("CoalescedSocket makes one write of what is written in one turn", async () => {
  const { near, far, close } = await pair();
  const sizes: number[] = [];
  const write = near.write.bind(near);
  near.write = ((bytes: Uint8Array, done: () => void) => {
    sizes.push(bytes.length);
    near.emit("written");
    return write(bytes, done);
  }) as typeof near.write;
  const stream = new CoalescedSocket(near);
  for (const part of ["a", "bc", "def"]) stream.write(part);
  // What promises lead to, and what they wait for, is of the same turn.
  for (let hop = 0; hop < 10; hop++) await Promise.resolve();
  stream.write("g");
  await new Promise<void>((resolve) => nextTick(resolve));
  stream.write("hi");
  await once(near, "written");
  assertEquals(sizes, [9]);
  stream.end("j");
  assertEquals((await received(far)).toString(), "abcdefghij");
  assertEquals(sizes, [9, 1]);
  await close();
});

Deno.test("CoalescedSocket keeps the order of 8 MiB against back-pressure", async () => {
  const { near, far, close } = await pair();
  const stream = new CoalescedSocket(near);
  const total = 8 * 1024 * 1024;
  const reading = received(far);
  let written = 0;
  let waits = 0;
  const chunk = 60_000;
  while (written < total) {
    const part = Buffer.alloc(
      Math.min(chunk, total - written),
      written / chunk,
    );
    written += part.length;
    if (!stream.write(part)) {
      waits++;
      await new Promise((resolve) => stream.once("drain", resolve));
    }
  }
  stream.end();
  const bytes = await reading;
  assertEquals(bytes.length, total);
  assertGreater(waits, 0); // the writer was held back
  for (let at = 0; at < total; at += chunk) {
    assertEquals(bytes[at], (at / chunk) % 256);
  }
  await close();
});

Deno.test("CoalescedSocket passes on what it reads, and the end", async () => {
  const { near, far, close } = await pair();
  const stream = new CoalescedSocket(near);
  far.end("hello");
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  assertEquals(Buffer.concat(chunks).toString(), "hello");
  await close();
});

Deno.test("CoalescedSocket closes when its socket is destroyed", async () => {
  const { near, close } = await pair();
  const stream = new CoalescedSocket(near);
  const closed = new Promise((resolve) => stream.once("close", resolve));
  stream.on("error", () => {});
  near.destroy();
  await closed;
  assertEquals(stream.destroyed, true);
  await close();
});
