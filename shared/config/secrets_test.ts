import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import type { SecretSource } from "./model.ts";
import {
  readCertificates,
  readSecret,
  SecretError,
  type SecretIo,
  serverHeaders,
} from "./secrets.ts";

const CANARY = "canary-5f1d";

function ioOf(
  files: Record<string, string>,
  variables: Record<string, string> = {},
): SecretIo {
  return {
    secretsDir: "/secrets",
    readTextFile: (path) => {
      const text = files[path];
      return text === undefined
        ? Promise.reject(new Deno.errors.NotFound(path))
        : Promise.resolve(text);
    },
    env: (name) => variables[name],
  };
}

const file = (name: string): SecretSource => ({ kind: "file", name });

const READ: {
  name: string;
  source: SecretSource;
  io: SecretIo;
  want: string;
}[] = [
  {
    name: "a file",
    source: file("a"),
    io: ioOf({ "/secrets/a": "Bearer x" }),
    want: "Bearer x",
  },
  {
    name: "a file in a directory, its line break removed",
    source: file("team/a"),
    io: ioOf({ "/secrets/team/a": "Bearer x\n" }),
    want: "Bearer x",
  },
  {
    name: "a file with a line break of Windows",
    source: file("a"),
    io: ioOf({ "/secrets/a": "x\r\n" }),
    want: "x",
  },
  {
    name: "a variable",
    source: { kind: "env", name: "A" },
    io: ioOf({}, { A: "x" }),
    want: "x",
  },
  {
    name: "the configuration's own text",
    source: { kind: "literal", value: "x" },
    io: ioOf({}),
    want: "x",
  },
  {
    name: "a template",
    source: {
      kind: "template",
      parts: [{ kind: "text", text: "Bearer " }, { kind: "env", name: "A" }],
    },
    io: ioOf({}, { A: "x" }),
    want: "Bearer x",
  },
  {
    name: "a template's fallback for an unset variable",
    source: {
      kind: "template",
      parts: [{ kind: "env", name: "A", fallback: "y" }],
    },
    io: ioOf({}),
    want: "y",
  },
  {
    name: "a template's fallback for an empty variable",
    source: {
      kind: "template",
      parts: [{ kind: "env", name: "A", fallback: "y" }],
    },
    io: ioOf({}, { A: "" }),
    want: "y",
  },
];
for (const { name, source, io, want } of READ) {
  Deno.test(`readSecret() reads ${name}`, async () => {
    assertEquals(await readSecret(source, io), want);
  });
}

const REFUSED: {
  name: string;
  source: SecretSource;
  io: SecretIo;
  says: RegExp;
}[] = [
  {
    name: "a missing file",
    source: file("a"),
    io: ioOf({}),
    says: /from file a: .*\/secrets \(NotFound\)/,
  },
  {
    name: "an empty file",
    source: file("a"),
    io: ioOf({ "/secrets/a": "\n" }),
    says: /from file a: it is empty/,
  },
  {
    name: "two lines",
    source: file("a"),
    io: ioOf({ "/secrets/a": `${CANARY}\nx-evil: 1\n` }),
    says: /more than one line/,
  },
  {
    name: "two line breaks at the end",
    source: file("a"),
    io: ioOf({ "/secrets/a": `${CANARY}\n\n` }),
    says: /more than one line/,
  },
  {
    name: "a carriage return",
    source: file("a"),
    io: ioOf({ "/secrets/a": `${CANARY}\rx` }),
    says: /more than one line/,
  },
  {
    name: "a NUL",
    source: file("a"),
    io: ioOf({ "/secrets/a": `${CANARY}\0` }),
    says: /NUL/,
  },
  {
    name: "a blank at the end",
    source: file("a"),
    io: ioOf({ "/secrets/a": `${CANARY} ` }),
    says: /blanks at an end/,
  },
  {
    name: "letters beyond ASCII",
    source: file("a"),
    io: ioOf({ "/secrets/a": `${CANARY}é` }),
    says: /header cannot carry/,
  },
  {
    name: "a way out of the directory",
    source: file("../a"),
    io: ioOf({ "/secrets/../a": CANARY }),
    says: /leads out/,
  },
  {
    name: "an absolute path",
    source: file("/a"),
    io: ioOf({ "/secrets//a": CANARY }),
    says: /leads out/,
  },
  {
    name: "an unset variable",
    source: { kind: "env", name: "A" },
    io: ioOf({}),
    says: /environment variable A: it is not set/,
  },
  {
    name: "an empty variable",
    source: { kind: "env", name: "A" },
    io: ioOf({}, { A: "" }),
    says: /environment variable A: it is empty/,
  },
  {
    name: "a template with an empty variable",
    source: {
      kind: "template",
      parts: [{ kind: "text", text: CANARY }, { kind: "env", name: "A" }],
    },
    io: ioOf({}, { A: "" }),
    says: /environment variable A: it is empty/,
  },
  {
    name: "a template with a variable of two lines",
    source: {
      kind: "template",
      parts: [{ kind: "text", text: "Bearer " }, { kind: "env", name: "A" }],
    },
    io: ioOf({}, { A: `${CANARY}\nx` }),
    says: /environment variable A: it has more than one line/,
  },
];
for (const { name, source, io, says } of REFUSED) {
  Deno.test(`readSecret() refuses ${name} and does not show it`, async () => {
    const error = await assertRejects(
      () => readSecret(source, io),
      SecretError,
    );
    assertMatch(error.message, says);
    assert(!error.message.includes(CANARY), error.message);
    assert(!String(error.stack).includes(CANARY));
  });
}

Deno.test("readSecret() reads a rotated file at the next use", async () => {
  const files: Record<string, string> = { "/secrets/a": "one" };
  const io = ioOf(files);
  assertEquals(await readSecret(file("a"), io), "one");
  files["/secrets/a"] = "two";
  assertEquals(await readSecret(file("a"), io), "two");
});

Deno.test("readCertificates() reads text of several lines, and only with a certificate in it", async () => {
  const pem = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n";
  const io = ioOf({ "/secrets/ca.pem": pem, "/secrets/key": CANARY });
  assertEquals(await readCertificates(file("ca.pem"), io), pem);
  const error = await assertRejects(
    () => readCertificates(file("key"), io),
    SecretError,
  );
  assertMatch(error.message, /file key: it has no PEM certificate/);
  assert(!error.message.includes(CANARY));
});

const SERVER = {
  headers: [
    { name: "authorization", value: file("a") },
    { name: "x-region", value: { kind: "literal", value: "eu" } },
  ],
  credentialFor: ["discovery"],
} as const;

Deno.test("serverHeaders() reads a server's headers for the uses they are for", async () => {
  const io = ioOf({ "/secrets/a": "Bearer x\n" });
  assertEquals(await serverHeaders(SERVER, "discovery", io), [
    ["authorization", "Bearer x"],
    ["x-region", "eu"],
  ]);
  assertEquals(await serverHeaders(SERVER, "calls", io), []);
});

Deno.test("serverHeaders() fails as a whole if one header cannot be read", async () => {
  await assertRejects(
    () => serverHeaders(SERVER, "discovery", ioOf({})),
    SecretError,
    "file a",
  );
  assertEquals(await serverHeaders(SERVER, "calls", ioOf({})), []);
});
