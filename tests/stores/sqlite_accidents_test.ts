import { DatabaseSync } from "node:sqlite";
import {
  assert,
  assertEquals,
  assertGreater,
  assertNotEquals,
  assertRejects,
  assertThrows,
} from "@std/assert";
import { createLogger } from "../../shared/log.ts";
import { KeyRing } from "../../shared/sessions/keys.ts";
import { Sessions } from "../../shared/sessions/sessions.ts";
import {
  FAR,
  session,
  startChild,
  State,
  UNLIMITED,
} from "../../shared/sessions/sqlite_fixture.ts";
import { eventually } from "../support/wait.ts";
import { REQUEST } from "./_redis_world.ts";

const ACCIDENTS: readonly {
  readonly name: string;
  readonly happen: (path: string) => Promise<void>;
  /** Sessions that are there afterwards. */
  readonly left: readonly string[];
}[] = [
  {
    name: "is removed",
    happen: (path) => Deno.remove(path),
    left: [],
  },
  {
    name: "is removed with its -wal and -shm",
    happen: async (path) => {
      for (const each of ["", "-wal", "-shm"]) await Deno.remove(path + each);
    },
    left: [],
  },
  {
    name: "is replaced by a copy of itself, without its -wal",
    happen: async (path) => {
      await Deno.copyFile(path, `${path}.copy`);
      await Deno.remove(path);
      await Deno.rename(`${path}.copy`, path);
    },
    left: [],
  },
  {
    name: "is replaced by that of another gateway",
    happen: async (path) => {
      await using elsewhere = new State();
      const store = await elsewhere.connect();
      await store.create(session("elsewhere"), UNLIMITED);
      await store.close();
      await Deno.rename(elsewhere.path, path);
    },
    left: ["elsewhere"],
  },
];

for (const { name, happen, left } of ACCIDENTS) {
  Deno.test(`SqliteStores go on together where their file ${name}`, async () => {
    await using state = new State();
    const [one, two] = [await state.connect(), await state.connect()];
    await one.create(session("lost"), UNLIMITED);
    const before = [one.revision(), two.revision()];
    await happen(state.path);
    assertNotEquals(one.revision(), before[0]);
    assertEquals(await one.get("lost"), undefined);
    assertEquals(await one.count(), left.length);
    // The other one notices later, and spoils nothing.
    for (let i = 0; i < 200; i++) await one.create(session(`n${i}`), UNLIMITED);
    assertNotEquals(two.revision(), before[1]);
    for (const id of [...left, "n0", "n199"]) {
      assertEquals((await two.get(id))?.id, id);
    }
    await two.end("n0", FAR);
    assertEquals((await one.get("n0"))?.ended, true);
    assertEquals(await one.count(), 199 + left.length);
    const said = state.logged.map((line) => JSON.parse(line).level);
    assertEquals(said, ["error", "error"]);
    for (const each of ["", "-wal", "-shm"]) {
      const { mode } = await Deno.stat(state.path + each);
      assertEquals((mode ?? 0) & 0o077, 0);
    }
    // Whoever leaves takes nothing along that the other needs.
    await one.close();
    await two.create(session("last"), UNLIMITED);
    await two.close();
    const third = await state.connect();
    assertEquals(await third.count(), 200 + left.length);
  });
}

Deno.test("Two gateways go on with their sessions where the file of the store is removed", async () => {
  await using state = new State();
  const log = createLogger({
    program: "test",
    level: "error",
    format: "json",
    write: () => {},
  });
  const replicas: Sessions[] = [];
  for (let i = 0; i < 2; i++) {
    replicas.push(
      new Sessions({
        store: await state.connect(),
        keys: new KeyRing(new Uint8Array(32).fill(7)),
        now: Date.now,
        randomBytes: (length) => crypto.getRandomValues(new Uint8Array(length)),
        log,
      }),
    );
  }
  const [one, two] = replicas as [Sessions, Sessions];
  const opening = await one.open(REQUEST);
  assert(opening.kind === "opened");
  const { token, claims } = opening;
  const server = { name: "one", fingerprint: "f" };
  let opened = 0;
  const open = () =>
    Promise.resolve({ id: `b${++opened}`, revision: "2025-11-25" });
  const backends = () =>
    Promise.all(Array.from({ length: 10 }, async (_, i) => {
      const sessions = replicas[i % 2]!;
      assertEquals((await sessions.verify(token, REQUEST)).kind, "live");
      const deadline = { deadlineMs: 8_000 };
      return (await sessions.backend(claims, server, open, deadline)).id;
    }));
  assertEquals(new Set(await backends()), new Set(["b1"]));
  await Deno.remove(state.path);
  assertEquals(new Set(await backends()), new Set(["b2"]));
  await two.end(claims);
  assertEquals((await one.verify(token, REQUEST)).kind, "refused");
});

Deno.test("SqliteStore says what to do where its file was replaced by something else, until that is done", async () => {
  await using state = new State();
  const store = await state.connect();
  await store.create(session("a"), UNLIMITED);
  await Deno.writeTextFile(`${state.path}.new`, "not ours\n".repeat(500));
  await Deno.rename(`${state.path}.new`, state.path);
  for (let i = 0; i < 3; i++) {
    await assertRejects(() => store.count(), Error, "move the file away");
  }
  assertThrows(() => store.revision());
  await Deno.remove(state.path);
  assertEquals(await eventually(() => store.count()), 0);
  assertEquals(await store.create(session("a"), UNLIMITED), "created");
});

Deno.test("SqliteStore waits for its directory where that is gone, and the key with it", async () => {
  await using state = new State();
  const store = await state.connect();
  await Deno.remove(state.dir, { recursive: true });
  await assertRejects(
    () => store.count(),
    Error,
    "the state directory is gone, and the signing key with it: restart",
  );
  await Deno.mkdir(state.dir);
  assertEquals(await eventually(() => store.count()), 0);
});

Deno.test("SqliteStore stays closed where its file is removed", async () => {
  await using state = new State();
  const store = await state.connect();
  await store.close();
  await Deno.remove(state.path);
  await assertRejects(() => store.count(), Error, "it is closed");
  await assertRejects(() => Deno.stat(state.path), Deno.errors.NotFound);
});

Deno.test("SqliteStores of three processes come together again whenever their file is removed", async () => {
  await using state = new State();
  const store = await state.connect();
  const children = await Promise.all(["x", "y"].map((name) =>
    startChild(
      state,
      `
      const name = Deno.args[1];
      let stop = false;
      Deno.stdin.read(new Uint8Array(1)).then(() => stop = true);
      let written = 0;
      for (; !stop; written++) {
        await store.create(session(name + written), limits).catch((error) => {
          // Another one opens it just now: any other failure is one.
          if (!/another process|locked/.test(error.message)) throw error;
        });
        if (written === 10) console.log("busy");
        if (written % 10 === 0) await new Promise((done) => setTimeout(done));
      }
      for (;;) {
        const last = await store.create(session("last " + name), limits)
          .catch(() => "failed");
        if (last === "created") break;
      }
      console.log("done");
      await Deno.stdin.read(new Uint8Array(1));
      await store.close();
      `,
      name,
    )
  ));
  const outputs = children.map((child) =>
    child.stdout.pipeThrough(new TextDecoderStream()).getReader()
  );
  const writers = children.map((child) => child.stdin.getWriter());
  for (const output of outputs) {
    assertEquals((await output.read()).value, "busy\n");
  }
  for (let i = 0; i < 20; i++) {
    const [what] = [["", "-wal", "-shm"], [""]].slice(i % 2);
    for (const each of what ?? []) {
      await Deno.remove(state.path + each).catch(() => {}); // not made yet
    }
    await eventually(async () => assertGreater(await store.count(), 10));
  }
  for (const writer of writers) await writer.write(Uint8Array.of(1));
  for (const output of outputs) {
    assertEquals((await output.read()).value, "done\n");
  }
  for (const name of ["x", "y"]) {
    assertEquals((await store.get(`last ${name}`))?.id, `last ${name}`);
  }
  for (const writer of writers) await writer.close();
  for (const child of children) assertEquals((await child.status).code, 0);
  for (const output of outputs) await output.cancel();
  using database = new DatabaseSync(state.path);
  const check = database.prepare("PRAGMA integrity_check").get();
  assertEquals(check?.integrity_check, "ok");
});
