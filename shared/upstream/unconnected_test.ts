import { assert, assertEquals, assertRejects } from "@std/assert";
import { isUnconnected } from "./unconnected.ts";

Deno.test("isUnconnected() knows a server that takes no connection", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  const error = await assertRejects(() => fetch(`http://127.0.0.1:${port}/`));
  assert(isUnconnected(error));
  assert(isUnconnected(new Error("wrapped", { cause: error })));
});

Deno.test("isUnconnected() does not take a connection that broke for one that never was", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const broken = (async () => {
    const connection = await listener.accept();
    await connection.read(new Uint8Array(1));
    connection.close();
  })();
  const error = await assertRejects(() =>
    fetch(`http://127.0.0.1:${listener.addr.port}/`, {
      method: "POST",
      body: "{}",
    })
  );
  await broken;
  listener.close();
  assertEquals(isUnconnected(error), false);
});
