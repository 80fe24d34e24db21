/**
 * The gateway's own secret: where the master key comes from and the keys that
 * are derived from it, one for each purpose, so that what is signed for one
 * can never pass for another. Knows nothing of what the keys protect.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { hkdfSync, randomBytes as systemRandomBytes } from "node:crypto";
import { errorText } from "../error_text.ts";

/** What a derived key is for. */
export type KeyPurpose =
  | "session"
  | "caller"
  | "store"
  | "cursor"
  | "bridge";

/** Name of the key file that is made in the state directory. */
export const KEY_FILE = "signing.key";

/** Bytes of a key that the gateway makes, and the fewest that it accepts. */
const KEY_BYTES = 32;

/** Characters of a key as the gateway writes it, which is never read as hex. */
const OWN_KEY_LENGTH = 43;

/** Enough for any sensible key; a larger file is a mistake. */
const MAX_KEY_TEXT = 8192;

/** One master key, with the keys derived from it. */
export class MasterKey {
  /** Short name of the key; 8 base64url characters that tell nothing of it. */
  readonly kid: string;
  readonly #secret: Uint8Array;
  readonly #derived = new Map<KeyPurpose, Uint8Array>();

  /**
   * Takes the secret as it is.
   *
   * @param secret At least 32 bytes.
   */
  constructor(secret: Uint8Array) {
    if (secret.length < KEY_BYTES) {
      throw new RangeError(
        `Cannot use signing key: it has ${secret.length} bytes, at least ${KEY_BYTES} are needed`,
      );
    }
    this.#secret = secret.slice();
    this.kid = Buffer.from(derive(this.#secret, "kid", 6)).toString(
      "base64url",
    );
  }

  /** The 32-byte key for a purpose (HKDF-SHA256, RFC 5869). */
  key(purpose: KeyPurpose): Uint8Array {
    let key = this.#derived.get(purpose);
    if (key === undefined) {
      key = derive(this.#secret, `key ${purpose}`, KEY_BYTES);
      this.#derived.set(purpose, key);
    }
    return key;
  }
}

function derive(secret: Uint8Array, info: string, length: number): Uint8Array {
  const salt = "mcp-gateway v1";
  return new Uint8Array(hkdfSync("sha256", secret, salt, info, length));
}

/** The keys that are accepted now. The current one signs and seals. */
export class KeyRing {
  /** Signs and seals, and is accepted. */
  readonly current: MasterKey;
  /** Accepted only: the key before the last rotation. */
  readonly previous: MasterKey | undefined;

  /**
   * Builds a ring.
   *
   * @param current Secret that signs and seals, at least 32 bytes.
   * @param previous Secret that is still accepted.
   */
  constructor(current: Uint8Array, previous?: Uint8Array) {
    this.current = new MasterKey(current);
    this.previous = previous === undefined
      ? undefined
      : new MasterKey(previous);
  }

  /** Finds an accepted key by its name. */
  find(kid: string): MasterKey | undefined {
    if (kid === this.current.kid) return this.current;
    if (kid === this.previous?.kid) return this.previous;
    return undefined;
  }
}

/**
 * Reads a key from text: hex, base64 or base64url of at least 32 bytes, with
 * white space around it ignored. Text of hex digits only is hex, unless it is
 * just as long as 32 bytes in base64url.
 *
 * @param text What stood in the variable or the file.
 * @param source Where it stood, for the error; the key itself is never named.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { parseKey } from "./keys.ts";
 *
 * const key = parseKey("00".repeat(32), "GATEWAY_SIGNING_KEY");
 * assertEquals(key.length, 32);
 * ```
 */
export function parseKey(text: string, source: string): Uint8Array {
  const trimmed = text.trim();
  const refuse = (state: string) =>
    new TypeError(
      `Cannot read signing key from ${source}: ${state}; ` +
        "give 32 random bytes as base64 (openssl rand -base64 32) or hex",
    );
  if (trimmed === "") throw refuse("it is empty");
  if (trimmed.length > MAX_KEY_TEXT) throw refuse("it is too long for a key");
  const hex = trimmed.length !== OWN_KEY_LENGTH &&
    /^[0-9a-f]+$/i.test(trimmed);
  if (hex && trimmed.length % 2 !== 0) {
    throw refuse("it has an odd number of hex digits");
  }
  if (!hex && !isBase64(trimmed)) {
    throw refuse("it is neither base64 nor hex");
  }
  // Buffer's base64 reads the URL alphabet too.
  const bytes = new Uint8Array(Buffer.from(trimmed, hex ? "hex" : "base64"));
  if (bytes.length < KEY_BYTES) {
    throw refuse(
      `it has ${bytes.length} bytes, at least ${KEY_BYTES} are needed`,
    );
  }
  return bytes;
}

function isBase64(text: string): boolean {
  const bare = text.replace(/={1,2}$/, "");
  if (bare.length % 4 === 1) return false;
  if (bare !== text && text.length % 4 !== 0) return false;
  return /^[A-Za-z0-9+/]+$/.test(bare) || /^[A-Za-z0-9_-]+$/.test(bare);
}

/** Where {@linkcode loadKeyRing} finds the keys. */
export interface KeySources {
  /** The key itself, from the environment. */
  readonly value?: string | undefined;
  /** File that holds the key. */
  readonly file?: string | undefined;
  /** The key before the last rotation, from the environment. */
  readonly previousValue?: string | undefined;
  /** File that holds the key before the last rotation. */
  readonly previousFile?: string | undefined;
  /** Where a key is made at first start if none is given. */
  readonly stateDir: string;
}

/**
 * Reads the keys, or makes one in the state directory at first start.
 *
 * @param sources Where the keys are. A key given both as a value and as a file
 * is refused: nobody could tell which one is in force.
 * @param randomBytes Source of randomness for a new key.
 */
export async function loadKeyRing(
  sources: KeySources,
  randomBytes: (length: number) => Uint8Array = systemRandomBytes,
): Promise<KeyRing> {
  const current =
    await readKey(sources.value, sources.file, "GATEWAY_SIGNING_KEY") ??
      await openKeyFile(sources.stateDir, randomBytes);
  const previous = await readKey(
    sources.previousValue,
    sources.previousFile,
    "GATEWAY_PREVIOUS_SIGNING_KEY",
  );
  return new KeyRing(current, previous);
}

async function readKey(
  value: string | undefined,
  file: string | undefined,
  variable: string,
): Promise<Uint8Array | undefined> {
  if (value !== undefined && file !== undefined) {
    throw new TypeError(
      `Cannot choose signing key: both ${variable} and the file ${file} are given; remove one`,
    );
  }
  if (value !== undefined) return parseKey(value, variable);
  if (file === undefined) return undefined;
  let text: string;
  try {
    text = await Deno.readTextFile(file);
  } catch (cause) {
    throw new Error(
      `Cannot read signing key from ${file}: ${errorText(cause)}`,
      {
        cause,
      },
    );
  }
  return parseKey(text, file);
}

/**
 * Opens the key file of a state directory and makes it, mode 0600, where there
 * is none. Programs that start at once agree on one key: each writes a file of
 * its own and links it into place, which only the first one can.
 *
 * @param stateDir The state directory; made, mode 0700, where it is missing.
 * @param randomBytes Source of randomness for a new key.
 */
export async function openKeyFile(
  stateDir: string,
  randomBytes: (length: number) => Uint8Array,
): Promise<Uint8Array> {
  const path = `${stateDir}/${KEY_FILE}`;
  try {
    return await readKeyFile(path) ??
      await makeKeyFile(stateDir, path, randomBytes);
  } catch (cause) {
    if (cause instanceof TypeError) throw cause;
    throw new Error(
      `Cannot open signing key ${path}: ${errorText(cause)}; ` +
        "make the state directory writable, or give GATEWAY_SIGNING_KEY",
      { cause },
    );
  }
}

async function readKeyFile(path: string): Promise<Uint8Array | undefined> {
  let text: string;
  try {
    const { mode } = await Deno.stat(path);
    // A volume may legitimately be shared with a group; never with everybody.
    if (mode !== null && (mode & 0o007) !== 0) {
      throw new TypeError(
        `Cannot use signing key ${path}: everybody may access it (mode ${
          (mode & 0o777).toString(8)
        }); replace the key, or chmod 600 it if nobody has read it`,
      );
    }
    text = await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
  return parseKey(text, path);
}

async function makeKeyFile(
  stateDir: string,
  path: string,
  randomBytes: (length: number) => Uint8Array,
): Promise<Uint8Array> {
  await Deno.mkdir(stateDir, { recursive: true, mode: 0o700 });
  const key = randomBytes(KEY_BYTES);
  // The name must be nobody else's: programs share the directory.
  const own = `${path}.${crypto.randomUUID()}`;
  try {
    await writeSynced(own, `${Buffer.from(key).toString("base64url")}\n`);
    await Deno.link(own, path);
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
  } finally {
    await Deno.remove(own).catch(() => {}); // was never written
  }
  const winner = await readKeyFile(path);
  if (winner === undefined) throw new Error("it vanished while it was made");
  return winner;
}

async function writeSynced(path: string, text: string): Promise<void> {
  await Deno.writeTextFile(path, text, { createNew: true, mode: 0o600 });
  using file = await Deno.open(path, { write: true });
  // A key that is linked but empty after a power cut would lock everyone out.
  await file.sync();
}
