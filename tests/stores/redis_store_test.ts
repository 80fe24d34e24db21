import {
  assert,
  assertEquals,
  assertGreater,
  assertLess,
  assertRejects,
} from "@std/assert";
import { GatewayError } from "../../shared/errors.ts";
import { freePort, releasePort } from "../../shared/local/ports.ts";
import { createLogger } from "../../shared/log.ts";
import { RedisStore } from "../../shared/sessions/redis_store.ts";
import type {
  ClientSession,
  Sessions,
} from "../../shared/sessions/sessions.ts";
import type { StoredSession } from "../../shared/sessions/store.ts";
import { storeContract } from "../../shared/sessions/store_contract.ts";
import { PROJECT_DIR } from "../support/paths.ts";
import { eventually } from "../support/wait.ts";
import type { RedisServer } from "./_redis_server.ts";
import {
  CONTRACT_START,
  PATIENT_MS,
  proves,
  redis,
  REQUEST,
  World,
} from "./_redis_world.ts";

const HOUR = 3_600_000;
const LIMITS = { total: 1_000_000, perIdentity: 1_000_000 };

if (redis.kind === "there") {
  storeContract("RedisStore", () => World.start());
} else {
  proves("RedisStore keeps the contract of session stores", async () => {});
}

Deno.test("RedisStore opens where no server is, says so once and rejects at once", async () => {
  const port = freePort();
  const logged: string[] = [];
  const store = await RedisStore.open({
    url: `redis://:hunter2@127.0.0.1:${port}`,
    log: createLogger({
      program: "test",
      level: "debug",
      format: "json",
      write: (line) => logged.push(line),
    }),
  });
  const startedAt = performance.now();
  for (let i = 0; i < 200; i++) await assertRejects(() => store.count());
  assertLess(performance.now() - startedAt, 1000);
  await store.close();
  releasePort(port);
  assertEquals(logged.length, 1);
  assert(logged[0]?.includes("session store away"));
  assert(!logged[0]?.includes("hunter2"));
});

proves(
  "RedisStore names no key by a session id and lets every key expire",
  async () => {
    await using world = await World.start();
    const { server } = world;
    const store = await world.open({ timeoutMs: PATIENT_MS });
    const id = "tell-nobody";
    await store.create(session(id), LIMITS);
    await store.claim(id, "one", "x", Date.now(), 1000);
    await store.end("unknown", Date.now() + HOUR);
    const keys = (await server.ask("KEYS", "*")).split("\r\n")
      .filter((line) => line !== "" && !/^[*$]/.test(line));
    assertEquals(
      keys.filter((key) => !/^mcpgw:1:(s:[0-9a-f]{64}$)?/.test(key)),
      [],
    );
    assertEquals(keys.length, 6);
    assert(!keys.join().includes(id));
    for (const key of keys) {
      const ttl = Number((await server.ask("PTTL", key)).slice(1));
      assertGreater(ttl, HOUR - 60_000, key);
      assertLess(ttl, HOUR + 660_000, key);
    }
  },
);

proves("RedisStore counts rightly when keys have expired unswept", async () => {
  await using world = await World.start();
  let now = Date.now();
  const store = await world.open({ timeoutMs: PATIENT_MS, now: () => now });
  const limits = { total: 3, perIdentity: 2 };
  await store.create({ ...session("a"), expiresAt: now + 1000 }, limits);
  await store.create({ ...session("b"), expiresAt: now + 1000 }, limits);
  assertEquals(
    await store.create(session("c"), limits),
    "too many of identity",
  );
  for (const id of ["a", "b"]) await expire(world.server, id);
  assertEquals(await store.get("a"), undefined);
  now += 1001;
  assertEquals(await store.count(), 0);
  const later = { ...session("c"), createdAt: now };
  assertEquals(await store.create(later, limits), "created");
  assertEquals(await store.count(), 1);
  assertEquals(await store.sweep(now, 0), []);
  assertEquals(await store.count(), 1);
  assertEquals(await world.server.ask("ZCARD", "mcpgw:1:live"), ":1");
});

proves("RedisStore.sweep() gets through more than one batch", async () => {
  await using world = await World.start();
  const store = await world.connect();
  const base = { ...session(""), createdAt: 0, touchedAt: 0 };
  for (let i = 0; i < 250; i++) {
    await store.create({ ...base, id: `idle${i}` }, LIMITS);
    await store.create({ ...base, id: `over${i}`, expiresAt: 1 }, LIMITS);
    await store.claim(`over${i}`, "one", "x", 0, 1000);
    await store.fulfil(`over${i}`, "one", "x", Uint8Array.of(i));
  }
  await store.create({ ...base, id: "live", touchedAt: 9 }, LIMITS);
  const open = await store.sweep(2, 9);
  assertEquals(new Set(open.map((each) => each.session)).size, 250);
  assertEquals(await store.count(), 1);
  assertEquals((await store.get("idle249"))?.ended, true);
  assertEquals(await store.get("over249"), undefined);
  assertEquals((await store.get("live"))?.ended, false);
});

proves(
  "RedisStore keeps bytes of every value, and ids and servers of any text",
  async () => {
    await using world = await World.start();
    const store = await world.connect();
    const data = Uint8Array.from({ length: 256 }, (_, i) => i);
    const odd = 'é "\n\0 b:';
    await store.create({ ...session(odd), data }, LIMITS);
    assertEquals((await store.get(odd))?.data, data);
    await store.claim(odd, odd, "x y\nz", 0, 1000);
    assertEquals(await store.fulfil(odd, odd, "x y\nz", data), true);
    assertEquals(await store.backends(odd), [{
      session: odd,
      server: odd,
      data,
    }]);
    assertEquals(await store.forget(odd, odd, data), true);
  },
);

proves(
  "Two gateways over two connections open a backend session once",
  async () => {
    await using world = await World.start();
    const replicas = [await world.sessions(), await world.sessions()];
    const client = await openSession(replicas[0]!);
    const server = { name: "one", fingerprint: "f" };
    let opened = 0;
    const found = await Promise.all(
      Array.from(
        { length: 40 },
        (_, i) =>
          replicas[i % 2]!.backend(client, server, async () => {
            opened++;
            // Until the other gateway has asked and must wait.
            const before = await scriptsRun(world.server);
            await eventually(async () =>
              assertGreater(await scriptsRun(world.server), before + 1)
            );
            return { id: `opened ${opened}`, revision: "2025-11-25" };
          }, { deadlineMs: 10_000 }),
      ),
    );
    assertEquals(opened, 1);
    assertEquals(
      new Set(found.map((each) => JSON.stringify(each))).size,
      1,
    );
  },
);

proves("Two gateways agree at once that a session ended", async () => {
  await using world = await World.start();
  const [one, other] = [await world.sessions(), await world.sessions()];
  const opening = await one.open(REQUEST);
  assert(opening.kind === "opened");
  assertEquals((await other.verify(opening.token, REQUEST)).kind, "live");
  await one.end(opening.claims);
  assertEquals((await other.verify(opening.token, REQUEST)).kind, "refused");
});

proves(
  "Two gateways agree when a session is idle for too long or too old",
  async () => {
    await using world = await World.start();
    let now = Date.now();
    const clock = { now: () => now };
    const replicas = [await world.sessions(clock), await world.sessions(clock)];
    const open = async () => {
      const opening = await replicas[0]!.open(REQUEST);
      assert(opening.kind === "opened");
      return opening.token;
    };
    const kinds = (token: string) =>
      Promise.all(replicas.map(async (sessions) => {
        const outcome = await sessions.verify(token, REQUEST);
        return outcome.kind === "live" ? "live" : outcome.refusal.kind;
      }));
    const [idle, busy] = [await open(), await open()];
    const startedAt = now;
    for (; now < startedAt + 24 * HOUR; now += 29 * 60_000) {
      assertEquals(await kinds(busy), ["live", "live"]);
      const isIdle = now - startedAt > 30 * 60_000;
      if (isIdle) {
        assertEquals(await kinds(idle), ["session unknown", "session unknown"]);
      }
      await replicas[1]!.sweep();
    }
    assertEquals(await kinds(busy), ["session unknown", "session unknown"]);
  },
);

proves(
  "Two gateways keep what a client asked for, each change of each of them",
  async () => {
    await using world = await World.start();
    const replicas = [await world.sessions(), await world.sessions()];
    const client = await openSession(replicas[0]!);
    await Promise.all(
      Array.from({ length: 40 }, (_, i) =>
        replicas[i % 2]!.subscribe(client, {
          server: "press",
          uri: `news://${i}`,
        })),
    );
    await Promise.all(
      Array.from(
        { length: 20 },
        (_, i) =>
          replicas[i % 2]!.unsubscribe(client, {
            server: "press",
            uri: `news://${i}`,
          }),
      ),
    );
    await replicas[1]!.setLogLevel(client, "error");
    const { logLevel, subscriptions } = await replicas[0]!.standing(client);
    assertEquals(logLevel, "error");
    assertEquals(
      subscriptions.map(({ uri }) => Number(uri.slice(7)))
        .toSorted((a, b) => a - b),
      Array.from({ length: 20 }, (_, i) => 20 + i),
    );
    await world.server.ask("FLUSHALL");
    await replicas[0]!.setLogLevel(client, "info");
    assertEquals(await replicas[1]!.standing(client), {
      logLevel: "info",
      subscriptions: [],
    });
  },
);

proves(
  "A killed server fails calls at once, and is found again by itself",
  async () => {
    await using world = await World.start();
    const sessions = await world.sessions({ timeoutMs: 1000 });
    const opening = await sessions.open(REQUEST);
    assert(opening.kind === "opened");
    await world.server.kill();
    for (let i = 0; i < 3; i++) {
      const startedAt = performance.now();
      const error = await assertRejects(
        () => sessions.verify(opening.token, REQUEST),
        GatewayError,
      );
      assertEquals(error.refusal.kind, "store unavailable");
      assertLess(performance.now() - startedAt, 500);
    }
    await world.server.start();
    const backAt = performance.now();
    // Everything is forgotten: what the token proves is taken up again.
    const again = await eventually(() =>
      sessions.verify(opening.token, REQUEST)
    );
    assertEquals(again.kind, "live");
    assertLess(performance.now() - backAt, 2000);
    const said = world.logged.map((line) => JSON.parse(line).message);
    assertEquals(said, ["session store away", "session store back"]);
  },
);

proves(
  "A server that hangs costs one timeout, then nothing, and is used as soon as it answers",
  async () => {
    await using world = await World.start();
    const store = await world.open();
    await eventually(() => store.create(session("a"), LIMITS));
    world.server.signal("SIGSTOP");
    const stoppedAt = performance.now();
    try {
      const first = await assertRejects(() => store.get("a"), Error);
      assert(first.message.includes("no answer within 50 ms"), first.message);
      assertLess(performance.now() - stoppedAt, 1000);
      const failedAt = performance.now();
      for (let i = 0; i < 200; i++) await assertRejects(() => store.get("a"));
      assertLess(performance.now() - failedAt, 500);
      // Until the connection is given up, and another one asked for in vain.
      await eventually(async () => {
        const { message } = await assertRejects(() => store.get("a"), Error);
        assert(message.includes("no connection within"), message);
      });
    } finally {
      world.server.signal("SIGCONT");
    }
    const goesOnAt = performance.now();
    assertEquals((await eventually(() => store.get("a")))?.id, "a");
    assertLess(performance.now() - goesOnAt, 2000);
  },
);

proves(
  "A server that hangs for a moment is used again over the same connection",
  async () => {
    await using world = await World.start();
    const store = await world.open();
    await eventually(() => store.create(session("a"), LIMITS));
    const before = await world.server.ask("INFO", "stats");
    world.server.signal("SIGSTOP");
    await assertRejects(() => store.get("a"));
    world.server.signal("SIGCONT");
    assertEquals((await eventually(() => store.get("a")))?.id, "a");
    const connections = (text: string) =>
      Number(/total_connections_received:(\d+)/.exec(text)?.[1]);
    const after = await world.server.ask("INFO", "stats");
    assertEquals(connections(after), connections(before) + 1); // ask() itself
  },
);

proves(
  "A flushed server, and one without scripts, is worked with as if it were new",
  async () => {
    await using world = await World.start();
    const sessions = await world.sessions();
    const opening = await sessions.open(REQUEST);
    assert(opening.kind === "opened");
    await world.server.ask("FLUSHALL");
    await world.server.ask("SCRIPT", "FLUSH");
    assertEquals((await sessions.verify(opening.token, REQUEST)).kind, "live");
    const server = { name: "one", fingerprint: "f" };
    const open = (id: string) => () =>
      Promise.resolve({ id, revision: "2025-11-25" });
    const deadline = { deadlineMs: 10_000 };
    const { claims } = opening;
    await sessions.backend(claims, server, open("new"), deadline);
    await world.server.ask("FLUSHALL");
    // Its record is gone with everything else, and so is its backend session.
    await sessions.verify(opening.token, REQUEST);
    const next = await sessions.backend(
      claims,
      server,
      open("newer"),
      deadline,
    );
    assertEquals(next.id, "newer");
  },
);

proves(
  "A server that is not there yet does not keep a gateway from starting",
  async () => {
    await using world = await World.start();
    await world.server.kill();
    const store = await world.open({ timeoutMs: 1000 });
    await assertRejects(() => store.count(), Error, "Cannot use session store");
    await world.server.start();
    assertEquals(await eventually(() => store.count()), 0);
  },
);

proves(
  "A server that became a replica is not written to, and is used again as a master",
  async () => {
    await using world = await World.start();
    const store = await world.open({ timeoutMs: 1000 });
    await store.create(session("a"), LIMITS);
    await world.server.ask("REPLICAOF", "127.0.0.1", "1");
    const { message } = await assertRejects(
      () => store.create(session("b"), LIMITS),
      Error,
    );
    assert(message.includes("READONLY"), message);
    await assertRejects(() => store.get("a"), Error, "READONLY");
    await world.server.ask("REPLICAOF", "NO", "ONE");
    assertEquals((await eventually(() => store.get("a")))?.id, "a");
    assertEquals(world.logged.length, 2);
  },
);

proves(
  "A full server takes no new session, and ends those it has",
  async () => {
    await using world = await World.start();
    const store = await world.open({ timeoutMs: PATIENT_MS });
    await store.create(session("a"), LIMITS);
    await world.server.ask("CONFIG", "SET", "maxmemory", "100kb");
    await assertRejects(() => store.create(session("b"), LIMITS), Error, "OOM");
    assertEquals(await store.get("b"), undefined);
    assertEquals(await store.count(), 1);
    await store.end("a", Date.now() + HOUR);
    assertEquals((await store.get("a"))?.ended, true);
  },
);

/** A server with the certificate of the fixtures, and its port for TLS. */
async function startWithTls(): Promise<[World, number]> {
  const dir = `${PROJECT_DIR}/tests/fixtures/tls`;
  const port = freePort();
  const world = await World.start(
    ...["--bind", "127.0.0.1", "127.0.0.2", "--tls-port", String(port)],
    ...["--tls-cert-file", `${dir}/server.pem`],
    ...["--tls-key-file", `${dir}/server.key`],
    ...["--tls-ca-cert-file", `${dir}/ca.pem`, "--tls-auth-clients", "no"],
  );
  releasePort(port);
  return [world, port];
}

const CA_CERTS = await Deno.readTextFile(
  `${PROJECT_DIR}/tests/fixtures/tls/ca.pem`,
);

for (const host of ["localhost", "127.0.0.1"]) {
  proves(
    `RedisStore speaks TLS to ${host} with a certificate of an authority that it is told of`,
    async () => {
      const [server, port] = await startWithTls();
      await using world = server;
      const store = await world.open({
        url: `rediss://${host}:${port}`,
        caCerts: CA_CERTS,
        timeoutMs: PATIENT_MS,
      });
      await store.create(session("a"), LIMITS);
      assertEquals((await store.get("a"))?.id, "a");
      assertEquals(world.logged, []);
    },
  );
}

const DISTRUSTED: readonly {
  readonly name: string;
  readonly host: string;
  readonly caCerts?: string;
  readonly says: RegExp;
}[] = [
  {
    name: "an authority that it is not told of",
    host: "localhost",
    says: /self-signed certificate/,
  },
  {
    name: "another host",
    host: "127.0.0.2",
    caCerts: CA_CERTS,
    says: /does not match certificate/,
  },
];

for (const { name, host, caCerts, says } of DISTRUSTED) {
  proves(
    `RedisStore sends nothing to a server with the certificate of ${name}`,
    async () => {
      const [server, port] = await startWithTls();
      await using world = server;
      const store = await world.open({
        url: `rediss://:hunter2@${host}:${port}`,
        ...(caCerts === undefined ? {} : { caCerts }),
        timeoutMs: PATIENT_MS,
      });
      await assertRejects(() => store.count(), Error);
      const [said] = world.logged.map((line) => JSON.parse(line));
      assertEquals(said?.message, "session store away");
      assert(says.test(String(said?.error)), said?.error);
      assert(said?.remedy.includes("--store-ca-file"));
      assert(!/hunter2/.test(world.logged.join()));
      assertEquals(
        (await world.server.ask("INFO", "commandstats")).includes("auth"),
        false,
      );
    },
  );
}

/** What a user of the gateway's own needs, and nothing else. */
const FEW_RIGHTS =
  "~mcpgw:1:* -@all +eval +evalsha +exists +del +pexpire +pttl " +
  "+hget +hmget +hgetall +hset +hdel +zadd +zcount +zrangebyscore " +
  "+zrem +zremrangebyscore";

if (redis.kind === "there") {
  storeContract("RedisStore as a user with few rights", async () => {
    const world = await World.start();
    const said = await world.server.ask(
      ...`ACL SETUSER gateway on >secret ${FEW_RIGHTS}`.split(" "),
    );
    assertEquals(said, "+OK");
    const url = `redis://gateway:secret@127.0.0.1:${world.server.port}`;
    return {
      connect: () =>
        world.open({
          url,
          timeoutMs: PATIENT_MS,
          now: () => CONTRACT_START,
        }),
      [Symbol.asyncDispose]: () => world[Symbol.asyncDispose](),
    };
  });
}

for (
  const { name, userInfo, path, says } of [
    { name: "no password", userInfo: "", path: "", says: "NOAUTH" },
    { name: "a wrong one", userInfo: ":hunter2@", path: "", says: "WRONGPASS" },
    {
      name: "a database that it does not have",
      userInfo: ":s%40cret@",
      path: "/99",
      says: "DB index",
    },
  ]
) {
  proves(
    `RedisStore.open() says so where a server is given ${name}`,
    async () => {
      await using world = await World.start("--requirepass", "s@cret");
      const url = `redis://${userInfo}127.0.0.1:${world.server.port}${path}`;
      const { message } = await assertRejects(() => world.open({ url }), Error);
      assert(message.includes(says), message);
      assert(message.includes("see user, password"), message);
      assert(!/hunter2|cret/.test(message));
    },
  );
}

proves("RedisStore logs no password, come what may", async () => {
  await using world = await World.start("--requirepass", "s@cret");
  const url = `redis://default:s%40cret@127.0.0.1:${world.server.port}`;
  const store = await world.open({ url, timeoutMs: 1000 });
  await eventually(() => store.create(session("a"), LIMITS));
  await world.server.kill();
  const { message } = await assertRejects(() => store.get("a"), Error);
  await eventually(() => assertEquals(world.logged.length, 1));
  assert(!/cret/.test(message + world.logged.join()));
});

proves("RedisStore needs no more than the network", async () => {
  await using world = await World.start();
  const module = import.meta.resolve("../../shared/sessions/redis_store.ts");
  const code = `
    const { RedisStore } = await import(${JSON.stringify(module)});
    const store = await RedisStore.open({ url: ${
    JSON.stringify(world.server.url)
  },
      log: console, timeoutMs: ${PATIENT_MS} });
    console.log(await store.count());
    await store.close();`;
  const script = await Deno.makeTempFile({ suffix: ".js" });
  try {
    await Deno.writeTextFile(script, code);
    const { code: exit, stdout, stderr } = await new Deno.Command(
      Deno.execPath(),
      {
        args: [
          ...["run", "--no-check", "--no-prompt"],
          `--config=${PROJECT_DIR}/deno.json`,
          // Its module is not written in the code, so reading it must be allowed.
          ...[`--allow-net=127.0.0.1`, `--allow-read=${PROJECT_DIR}/shared`],
          script,
        ],
      },
    ).output();
    const said = new TextDecoder();
    assertEquals(exit, 0, said.decode(stderr));
    assertEquals(said.decode(stdout), "0\n");
  } finally {
    await Deno.remove(script);
  }
});

proves(
  "RedisStore rejects, rather than throws, once it is closed",
  async () => {
    await using world = await World.start();
    const store = await world.connect();
    await store.close();
    await assertRejects(() => store.get("a"), Error, "it is closed");
    await store.close();
  },
);

async function openSession(sessions: Sessions): Promise<ClientSession> {
  const opening = await sessions.open(REQUEST);
  assert(opening.kind === "opened");
  return opening.claims;
}

function session(id: string): StoredSession {
  const now = Date.now();
  return {
    id,
    identity: "me",
    createdAt: now,
    touchedAt: now,
    expiresAt: now + HOUR,
    ended: false,
    expendable: false,
    data: Uint8Array.of(1),
  };
}

/** Lets the key of a session expire now. */
async function expire(server: RedisServer, id: string): Promise<void> {
  const bytes = new TextEncoder().encode(id);
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  assertEquals(
    await server.ask("PEXPIRE", `mcpgw:1:s:${hash.toHex()}`, "0"),
    ":1",
  );
}

/** Scripts that the server has run since it started. */
async function scriptsRun(server: RedisServer): Promise<number> {
  const stats = await server.ask("INFO", "commandstats");
  return Number(/cmdstat_evalsha:calls=(\d+)/.exec(stats)?.[1] ?? 0);
}
