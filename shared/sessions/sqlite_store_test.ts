import { DatabaseSync } from "node:sqlite";
import {
  assert,
  assertEquals,
  assertGreater,
  assertRejects,
} from "@std/assert";
import {
  FAR,
  session,
  startChild,
  State,
  UNLIMITED,
} from "./sqlite_fixture.ts";
import { SqliteStore } from "./sqlite_store.ts";
import { storeContract } from "./store_contract.ts";

storeContract("SqliteStore", () => Promise.resolve(new State()));

Deno.test("SqliteStore.open() makes its files private", async () => {
  await using state = new State();
  const store = await state.connect();
  await store.create(session("a"), UNLIMITED);
  for await (const entry of Deno.readDir(state.dir)) {
    const { mode } = await Deno.stat(`${state.dir}/${entry.name}`);
    assertEquals([entry.name, (mode ?? 0) & 0o077], [entry.name, 0]);
  }
});

Deno.test("SqliteStore keeps everything across a restart", async () => {
  await using state = new State();
  const first = await state.connect();
  await first.create(session("a"), UNLIMITED);
  await first.claim("a", "one", "x", 0, 1000);
  await first.fulfil("a", "one", "x", Uint8Array.of(9));
  await first.close();
  const second = await state.connect();
  assertEquals((await second.get("a"))?.identity, "me");
  assertEquals(await second.getBackend("a", "one"), Uint8Array.of(9));
});

Deno.test("SqliteStore.revision() ignores reads of other connections and notices their writes", async () => {
  await using state = new State();
  const [store, other] = [await state.connect(), await state.connect()];
  await store.create(session("a"), UNLIMITED);
  const before = store.revision();
  await other.get("a");
  other.revision();
  assertEquals(store.revision(), before);
  await other.touch("a", 5);
  assert(store.revision() !== before);
});

Deno.test("SqliteStore.revision() looks for what others wrote once a turn, and notices its own writes at once", async () => {
  await using state = new State();
  let endTurn = () => {};
  const store = await state.connect({
    endOfTurn: (callback) => endTurn = callback,
  });
  const other = await state.connect();
  await store.create(session("a"), UNLIMITED);
  const first = store.revision();
  await other.touch("a", 5);
  assertEquals(store.revision(), first);
  await store.create(session("b"), UNLIMITED);
  const second = store.revision();
  assert(second !== first);
  endTurn();
  assert(store.revision() !== second);
});

Deno.test("SqliteStore.sweep() gets through more than one batch", async () => {
  await using state = new State();
  const store = await state.connect();
  for (let i = 0; i < 500; i++) {
    await store.create(session(`idle${i}`), UNLIMITED);
    await store.create({ ...session(`over${i}`), expiresAt: 1 }, UNLIMITED);
  }
  await store.create({ ...session("live"), touchedAt: 9 }, UNLIMITED);
  assertEquals(await store.count(), 1001);
  await store.sweep(2, 9);
  assertEquals(await store.count(), 1);
  assertEquals((await store.get("idle499"))?.ended, true);
  assertEquals(await store.get("over499"), undefined);
  assertEquals((await store.get("live"))?.ended, false);
});

Deno.test("SqliteStore.count() agrees with the rows whatever became of them", async () => {
  await using state = new State();
  const [store, other] = [await state.connect(), await state.connect()];
  for (const id of ["a", "b", "c"]) await store.create(session(id), UNLIMITED);
  await store.end("a", FAR);
  await other.end("a", FAR);
  await other.end("unknown", FAR);
  await store.create(session("a"), UNLIMITED);
  await store.create({ ...session("over"), expiresAt: 1 }, UNLIMITED);
  assertEquals(await store.count(), 3);
  await other.sweep(2, 0);
  assertEquals(await store.count(), 2);
  await other.sweep(FAR + 1, 0);
  assertEquals(await store.count(), 0);
});

const BROKEN: readonly {
  readonly name: string;
  readonly spoil: (path: string) => void;
  readonly says: string;
}[] = [
  {
    name: "is no database",
    spoil: (path) => Deno.writeTextFileSync(path, "not ours\n".repeat(500)),
    says: "file is not a database; move the file away",
  },
  {
    name: "has pages overwritten",
    spoil: (path) => {
      const bytes = Deno.readFileSync(path);
      bytes.fill(0xff, 4096);
      Deno.writeFileSync(path, bytes);
    },
    says: "malformed; move the file away",
  },
  {
    name: "comes from a newer version",
    spoil: (path) => {
      using database = new DatabaseSync(path);
      database.exec("PRAGMA user_version = 3");
    },
    says: "its schema is 3, this program knows 2; run the newer version again",
  },
];

for (const { name, spoil, says } of BROKEN) {
  Deno.test(`SqliteStore.open() says what to do where the file ${name}`, async () => {
    await using state = new State();
    await (await state.connect()).close();
    spoil(`${state.dir}/sessions.db`);
    await assertRejects(() => SqliteStore.open(state.dir), Error, says);
  });
}

/** What the first version of the program made and knew. */
const FIRST_SCHEMA = `
PRAGMA journal_mode = WAL;
CREATE TABLE sessions (
  id TEXT PRIMARY KEY,
  identity TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  touched_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  ended INTEGER NOT NULL,
  data BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_live ON sessions (identity, expires_at) WHERE ended = 0;
CREATE TABLE live (total INTEGER NOT NULL) STRICT;
INSERT INTO live VALUES (0);
CREATE TRIGGER session_begins AFTER INSERT ON sessions WHEN new.ended = 0
  BEGIN UPDATE live SET total = total + 1; END;
CREATE TRIGGER session_ends AFTER UPDATE OF ended ON sessions
  WHEN old.ended = 0 AND new.ended = 1
  BEGIN UPDATE live SET total = total - 1; END;
CREATE TRIGGER session_vanishes AFTER DELETE ON sessions WHEN old.ended = 0
  BEGIN UPDATE live SET total = total - 1; END;
CREATE INDEX sessions_expiry ON sessions (expires_at);
CREATE TABLE backends (
  session TEXT NOT NULL,
  server TEXT NOT NULL,
  data BLOB NOT NULL,
  PRIMARY KEY (session, server)
) STRICT, WITHOUT ROWID;
CREATE TABLE claims (
  session TEXT NOT NULL,
  server TEXT NOT NULL,
  claimant TEXT NOT NULL,
  expires_at INTEGER NOT NULL,
  PRIMARY KEY (session, server)
) STRICT, WITHOUT ROWID;
PRAGMA user_version = 1;
INSERT INTO sessions VALUES ('a', '', 0, 0, ${FAR}, 0, x'01');
INSERT INTO backends VALUES ('a', 'one', x'07');
`;

Deno.test("SqliteStore.open() takes over the file of the first version, which may go on with it", async () => {
  await using state = new State();
  using former = new DatabaseSync(state.path);
  former.exec(FIRST_SCHEMA);
  const insert = former.prepare(
    "INSERT INTO sessions VALUES (?, ?, ?, ?, ?, ?, ?)",
  );
  const end = former.prepare("UPDATE sessions SET ended = 1 WHERE id = ?");
  const touch = former.prepare("UPDATE sessions SET touched_at = 5");
  const store = await state.connect();
  assertEquals((await store.get("a"))?.expendable, false);
  assertEquals(await store.getBackend("a", "one"), Uint8Array.of(7));
  const note = { kind: "color", key: "" };
  assertEquals(await store.setNote("a", note, Uint8Array.of(1), 1), "set");
  await store.create({ ...session("b"), expendable: true }, UNLIMITED);
  assertEquals((await store.get("b"))?.expendable, true);
  insert.run("c", "", 0, 0, FAR, 0, Uint8Array.of(1));
  assertEquals((await store.get("c"))?.expendable, false);
  touch.run();
  assertEquals((await store.get("b"))?.expendable, false);
  end.run("a");
  assertEquals(await store.notes("a"), []);
  await (await state.connect()).close();
});

Deno.test("SqliteStore rejects, rather than throws, once it is closed", async () => {
  await using state = new State();
  const store = await state.connect();
  await store.close();
  await assertRejects(() => store.get("a"), Error, "Cannot use session store");
  await store.close();
});

Deno.test("SqliteStore gives each of 200 claims to exactly one of three processes", async () => {
  await using state = new State();
  const store = await state.connect();
  await store.create(session("race"), UNLIMITED);
  const children = await Promise.all(["x", "y", "z"].map((name) =>
    startChild(
      state,
      `
      const won = [];
      console.log("ready");
      await Deno.stdin.read(new Uint8Array(1)); // all start together
      for (let i = 0; i < 200; i++) {
        const outcome = await store.claim("race", "server" + i, Deno.args[1], 0, 60000);
        if (outcome.kind === "claimed") won.push(i);
      }
      console.log(JSON.stringify(won));
      await store.close();
      `,
      name,
    )
  ));
  const outputs = children.map((child) =>
    child.stdout.pipeThrough(new TextDecoderStream()).getReader()
  );
  for (const output of outputs) {
    assertEquals((await output.read()).value, "ready\n");
  }
  await Promise.all(children.map(async (child) => {
    const writer = child.stdin.getWriter();
    await writer.write(Uint8Array.of(1));
    await writer.close();
  }));
  const won = await Promise.all(outputs.map(async (output) => {
    let text = "";
    for (;;) {
      const { value, done } = await output.read();
      if (done) return JSON.parse(text) as number[];
      text += value;
    }
  }));
  for (const child of children) assertEquals((await child.status).code, 0);
  assertEquals(
    won.flat().toSorted((a, b) => a - b),
    Array.from({ length: 200 }, (_, i) => i),
  );
});

Deno.test("SqliteStore survives a kill in the middle of writes", async () => {
  await using state = new State();
  const child = await startChild(
    state,
    `
    for (let i = 0;; i++) {
      const id = "s" + i;
      await store.create(session(id), limits);
      await store.claim(id, "one", "x", 0, 60000);
      await store.fulfil(id, "one", "x", new Uint8Array(300));
      if (i % 3 === 0) await store.end(id, ${FAR});
      if (i === 500) console.log("busy");
    }
    `,
  );
  const output = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  assertEquals((await output.read()).value, "busy\n");
  child.kill("SIGKILL");
  await child.status;
  await output.cancel();
  await child.stdin.close();
  const store = await state.connect();
  assertGreater(await store.count(), 300);
  for (let i = 0; i < 500; i++) {
    const ended = i % 3 === 0;
    assertEquals((await store.get(`s${i}`))?.ended, ended);
    assertEquals((await store.backends(`s${i}`)).length, ended ? 0 : 1);
  }
  assertEquals(await store.create(session("after"), UNLIMITED), "created");
});

Deno.test("SqliteStore.open() works for processes that make the file together", async () => {
  await using state = new State();
  const children = await Promise.all(
    ["a", "b", "c", "d"].map((id) =>
      startChild(
        state,
        `await store.create(session(Deno.args[1]), limits); await store.close();`,
        id,
      )
    ),
  );
  for (const child of children) {
    await child.stdin.close();
    await child.stdout.cancel();
    assertEquals((await child.status).code, 0);
  }
  assertEquals(await (await state.connect()).count(), 4);
});
