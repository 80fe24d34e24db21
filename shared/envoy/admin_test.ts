import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import {
  EnvoyAdmin,
  parseXdsState,
  RejectedError,
  SilentAdminError,
} from "./admin.ts";

const IDLE = {
  cds: "1",
  rds: "1",
  lds: "1",
  sds: "1",
  cdsRejected: 0,
  rdsRejected: 0,
  ldsRejected: 0,
  sdsRejected: 0,
  warming: 0,
};

/** Answers `/stats` with one text after the other, the last one for ever. */
function admin(
  texts: readonly string[],
  log: readonly string[] = [],
): EnvoyAdmin {
  const left = [...texts];
  const answer = () => {
    const text = left.length > 1 ? left.shift() : left[0];
    return Promise.resolve(new Response(text));
  };
  return new EnvoyAdmin("http://envoy", () => log, answer);
}

Deno.test("parseXdsState() reads versions, refusals and warming clusters", () => {
  assertEquals(
    parseXdsState(
      [
        'cluster_manager.cds.version_text: "abc+"',
        "cluster_manager.cds.update_rejected: 2",
        "cluster_manager.warming_clusters: 1",
        "listener_manager.lds.update_rejected: 0",
        'listener_manager.lds.version_text: "def"',
        'http.mcp.rds.mcp.version_text: ""',
        "http.mcp.rds.mcp.update_rejected: 3",
        'sds.mcp_listener.version_text: "ghi"',
        "sds.mcp_listener.update_rejected: 4",
        'sds.other.version_text: "xyz"',
        "something.else: 9",
        "",
      ].join("\n"),
    ),
    {
      cds: "abc+",
      rds: "",
      lds: "def",
      sds: "ghi",
      cdsRejected: 2,
      rdsRejected: 3,
      ldsRejected: 0,
      sdsRejected: 4,
      warming: 1,
    },
  );
});

Deno.test("EnvoyAdmin.taken() waits for the version", async () => {
  const old = 'http.mcp.rds.mcp.version_text: "1"';
  const now = 'http.mcp.rds.mcp.version_text: "2"';
  const envoy = admin([old, old, now]);
  await envoy.taken("routes", "2", IDLE);
  assertEquals((await envoy.state()).rds, "2");
});

Deno.test("EnvoyAdmin.taken() waits for new clusters to get addresses", async () => {
  const now = 'cluster_manager.cds.version_text: "2"\n';
  const envoy = admin([
    now,
    `${now}cluster_manager.warming_clusters: 1`,
    `${now}cluster_manager.warming_clusters: 0`,
  ]);
  await envoy.taken("clusters", "2", IDLE);
  assertEquals((await envoy.state()).warming, 0);
});

Deno.test("EnvoyAdmin.taken() rejects with Envoy's own reason", async () => {
  const log = [
    "[2026-01-01 00:00:00.000][1][warning][config] [x.cc:1] Filesystem config update rejected: bad old thing",
    "[2026-01-01 00:00:01.000][1][warning][config] [x.cc:1] Filesystem config update rejected: bad CA",
    "[2026-01-01 00:00:02.000][1][warning][upstream] [y.cc:1] something else",
  ];
  const error = await assertRejects(
    () =>
      admin(["cluster_manager.cds.update_rejected: 1"], log)
        .taken("clusters", "2", IDLE),
    RejectedError,
  );
  assertEquals(
    error.message,
    "Cannot use new clusters: Envoy refuses them: bad CA",
  );
});

for (
  const { name, said } of [
    { name: "is silent", said: "" },
    {
      name: "stops in the middle",
      said: "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nlds",
    },
  ]
) {
  Deno.test(`EnvoyAdmin.state() rejects where the admin interface ${name}`, async () => {
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = listener.addr;
    const accepted = listener.accept().then(async (conn) => {
      await conn.write(new TextEncoder().encode(said));
      return conn;
    });
    const error = await assertRejects(
      () => new EnvoyAdmin(`http://127.0.0.1:${port}`, () => []).state(),
      SilentAdminError,
    );
    assertStringIncludes(error.message, `127.0.0.1:${port} does not answer`);
    (await accepted).close();
  });
}

Deno.test("EnvoyAdmin.state() rejects with the reason of its signal", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const stop = new AbortController();
  const accepted = listener.accept();
  const state = new EnvoyAdmin(
    `http://127.0.0.1:${listener.addr.port}`,
    () => [],
  ).state(stop.signal);
  (async () => {
    await accepted;
    stop.abort(new Error("no interest"));
  })();
  await assertRejects(() => state, Error, "no interest");
  (await accepted).close();
});

for (
  const { name, chains, want } of [
    { name: "one of its own", chains: [[{ path: "<inline>" }]], want: true },
    { name: "authorities only", chains: [[], []], want: false },
    { name: "nothing", chains: [], want: false },
  ]
) {
  Deno.test(`EnvoyAdmin.hasCertificate() is ${want} where Envoy has ${name}`, async () => {
    const certificates = chains.map((cert_chain) => ({
      ca_cert: [{ path: "ca.pem" }],
      cert_chain,
    }));
    const envoy = admin([JSON.stringify({ certificates })]);
    assertEquals(await envoy.hasCertificate(), want);
  });
}
