import {
  assert,
  assertEquals,
  assertMatch,
  assertNotEquals,
  assertRejects,
  assertThrows,
} from "@std/assert";
import { KEY_FILE, KeyRing, loadKeyRing, parseKey } from "./keys.ts";

const bytes = (fill: number, length = 32) => new Uint8Array(length).fill(fill);
const BASE64 = btoa(String.fromCharCode(...bytes(0xfb)));

const READABLE: readonly { name: string; text: string; want: Uint8Array }[] = [
  { name: "base64", text: BASE64, want: bytes(0xfb) },
  {
    name: "base64 without padding",
    text: BASE64.replace("=", ""),
    want: bytes(0xfb),
  },
  {
    name: "base64url",
    text: BASE64.replaceAll("+", "-").replaceAll("/", "_").replace("=", ""),
    want: bytes(0xfb),
  },
  { name: "hex", text: "Ab".repeat(32), want: bytes(0xab) },
  { name: "a longer key", text: "01".repeat(64), want: bytes(1, 64) },
  {
    name: "base64url that looks like hex",
    text: "A".repeat(43),
    want: bytes(0),
  },
  { name: "white space around", text: `\n ${BASE64}\r\n`, want: bytes(0xfb) },
];

for (const { name, text, want } of READABLE) {
  Deno.test(`parseKey() reads ${name}`, () => {
    assertEquals(parseKey(text, "here"), want);
  });
}

const UNREADABLE: readonly { name: string; text: string; says: string }[] = [
  { name: "nothing", text: " \n", says: "it is empty" },
  { name: "a short key", text: "ab".repeat(31), says: "it has 31 bytes" },
  { name: "a password", text: "correct horse", says: "neither base64 nor hex" },
  {
    name: "odd hex",
    text: "abc".repeat(33),
    says: "odd number of hex digits",
  },
  {
    name: "mixed alphabets",
    text: `+_${"A".repeat(42)}`,
    says: "neither base64 nor hex",
  },
  {
    name: "wrong padding",
    text: `${BASE64}=`,
    says: "neither base64 nor hex",
  },
  { name: "a whole file", text: "A".repeat(9000), says: "too long" },
];

for (const { name, text, says } of UNREADABLE) {
  Deno.test(`parseKey() refuses ${name} and names the place, not the key`, () => {
    const error = assertThrows(() => parseKey(text, "PLACE"), TypeError, says);
    assertMatch(error.message, /PLACE/);
    assert(text.trim() === "" || !error.message.includes(text.trim()));
  });
}

Deno.test("KeyRing derives another key for each purpose and each secret", () => {
  const [one, two] = [new KeyRing(bytes(1)), new KeyRing(bytes(2))];
  const keys = [
    one.current.key("session"),
    one.current.key("caller"),
    one.current.key("store"),
    one.current.key("cursor"),
    two.current.key("session"),
  ].map((key) => key.join());
  assertEquals(new Set(keys).size, 5);
  assertEquals(
    one.current.key("store"),
    new KeyRing(bytes(1)).current.key("store"),
  );
  assertNotEquals(one.current.kid, two.current.kid);
  assertMatch(one.current.kid, /^[\w-]{8}$/);
});

Deno.test("KeyRing finds the current and the previous key, and no other", () => {
  const [old, now] = [new KeyRing(bytes(1)), new KeyRing(bytes(2), bytes(1))];
  assertEquals(now.find(now.current.kid), now.current);
  assertEquals(now.find(old.current.kid), now.previous);
  assertEquals(old.find(now.current.kid), undefined);
});

Deno.test("KeyRing refuses a short secret", () => {
  assertThrows(() => new KeyRing(bytes(1, 31)), RangeError, "31 bytes");
});

/** Runs a test with a directory of its own. */
async function inDirectory(
  test: (dir: string) => Promise<void>,
): Promise<void> {
  const dir = await Deno.makeTempDir();
  try {
    await test(dir);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

Deno.test("loadKeyRing() makes a private key at first start and keeps it", () =>
  inDirectory(async (dir) => {
    const stateDir = `${dir}/state`;
    const first = await loadKeyRing({ stateDir }, () => bytes(7));
    const second = await loadKeyRing({ stateDir }, () => bytes(8));
    assertEquals(first.current.kid, new KeyRing(bytes(7)).current.kid);
    assertEquals(second.current.kid, first.current.kid);
    const { mode } = await Deno.stat(`${stateDir}/${KEY_FILE}`);
    assertEquals((mode ?? 0) & 0o777, 0o600);
    const files = [...Deno.readDirSync(stateDir)].map(({ name }) => name);
    assertEquals(files, [KEY_FILE]);
  }));

Deno.test("loadKeyRing() agrees on one key when many programs start at once", () =>
  inDirectory(async (dir) => {
    const rings = await Promise.all(
      Array.from(
        { length: 20 },
        (_, i) => loadKeyRing({ stateDir: dir }, () => bytes(i)),
      ),
    );
    assertEquals(new Set(rings.map((ring) => ring.current.kid)).size, 1);
    assertEquals([...Deno.readDirSync(dir)].length, 1);
  }));

Deno.test("loadKeyRing() takes a value, or a file, before the state directory", () =>
  inDirectory(async (dir) => {
    const file = `${dir}/given`;
    await Deno.writeTextFile(file, "03".repeat(32));
    const stateDir = `${dir}/state`;
    const byValue = await loadKeyRing({ stateDir, value: "02".repeat(32) });
    const byFile = await loadKeyRing({
      stateDir,
      file,
      previousValue: "02".repeat(32),
    });
    assertEquals(byValue.current.kid, new KeyRing(bytes(2)).current.kid);
    assertEquals(byFile.current.kid, new KeyRing(bytes(3)).current.kid);
    assertEquals(byFile.previous?.kid, byValue.current.kid);
    await assertRejects(() => Deno.stat(stateDir), Deno.errors.NotFound);
  }));

const UNUSABLE: readonly {
  name: string;
  prepare: (dir: string) => Parameters<typeof loadKeyRing>[0];
  says: string;
}[] = [
  {
    name: "a key given twice",
    prepare: (dir) => ({ stateDir: dir, value: BASE64, file: "/k" }),
    says: "both GATEWAY_SIGNING_KEY and the file /k are given",
  },
  {
    name: "a file that is not there",
    prepare: (dir) => ({ stateDir: dir, previousFile: `${dir}/none` }),
    says: "Cannot read signing key from ",
  },
  {
    name: "a damaged key file",
    prepare: (dir) => {
      Deno.writeTextFileSync(`${dir}/${KEY_FILE}`, "??", { mode: 0o600 });
      return { stateDir: dir };
    },
    says: "neither base64 nor hex",
  },
  {
    name: "a key file that everybody may read",
    prepare: (dir) => {
      Deno.writeTextFileSync(`${dir}/${KEY_FILE}`, BASE64);
      Deno.chmodSync(`${dir}/${KEY_FILE}`, 0o644);
      return { stateDir: dir };
    },
    says: "everybody may access it (mode 644)",
  },
  {
    name: "a state directory that is a file",
    prepare: (dir) => {
      Deno.writeTextFileSync(`${dir}/state`, "");
      return { stateDir: `${dir}/state` };
    },
    says: "make the state directory writable, or give GATEWAY_SIGNING_KEY",
  },
];

for (const { name, prepare, says } of UNUSABLE) {
  Deno.test(`loadKeyRing() refuses ${name}`, () =>
    inDirectory(async (dir) => {
      await assertRejects(() => loadKeyRing(prepare(dir)), Error, says);
    }));
}
