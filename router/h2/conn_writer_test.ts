import { assertEquals } from "@std/assert";
import { ConnWriter } from "./conn_writer.ts";

/** A connection whose peer takes a piece whenever it is told to. */
function slowPeer() {
  const taken: number[] = [];
  let take = () => {};
  const conn = {
    write(bytes: Uint8Array): Promise<number> {
      return new Promise((resolve) =>
        take = () => {
          taken.push(bytes[0]!);
          resolve(bytes.length);
        }
      );
    },
    close() {},
    closeWrite: () => Promise.resolve(),
  } as unknown as Deno.Conn;
  return {
    conn,
    taken,
    async take() {
      take();
      await new Promise((resolve) => setTimeout(resolve));
    },
  };
}

Deno.test("ConnWriter lets go of each piece that is written, though the peer is always one behind", async () => {
  const peer = slowPeer();
  const writer = new ConnWriter(peer.conn);
  let done = 0;
  const write = (value: number) =>
    writer.write(Uint8Array.of(value), () => done++);
  write(0);
  for (let value = 1; value <= 100; value++) {
    write(value);
    await peer.take();
    assertEquals([writer.waiting, writer.unwritten, done], [0, 1, value]);
  }
  await peer.take();
  assertEquals(writer.unwritten, 0);
  assertEquals(peer.taken, Array.from({ length: 101 }, (_, value) => value));
});
