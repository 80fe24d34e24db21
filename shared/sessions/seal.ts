/**
 * Encryption of what the session store keeps, and of what clients hand back to
 * us unread: a reader learns nothing, and a sealed value opens only in the
 * place that it was sealed for.
 *
 * Layout: 1 byte version, 6 bytes key name, 12 bytes nonce, ciphertext,
 * 16 bytes tag; AES-256-GCM.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { createCipheriv, createDecipheriv } from "node:crypto";
import { parseExactly } from "../jsonrpc/parse_exactly.ts";
import type { KeyPurpose, KeyRing } from "./keys.ts";

/** Where a sealed value belongs; it opens nowhere else. */
export interface SealedPlace {
  /** What it is. */
  readonly kind: "details" | "backend" | "note" | "question" | "parked call";
  /**
   * Id of the client session; of a parked call, which has none, who it is of.
   */
  readonly session: string;
  /** Which of that kind in the session, where there may be several. */
  readonly key?: string;
}

/** Which key seals what. */
const KEYS: Readonly<Record<SealedPlace["kind"], KeyPurpose>> = {
  details: "store",
  backend: "store",
  note: "store",
  question: "bridge",
  "parked call": "bridge",
};

const VERSION = 1;
const KID_BYTES = 6;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const HEAD_BYTES = 1 + KID_BYTES + NONCE_BYTES;

/** Seals a JSON value for a place, with the current key. */
export function seal(
  keys: KeyRing,
  place: SealedPlace,
  value: unknown,
  randomBytes: (length: number) => Uint8Array,
): Uint8Array {
  const nonce = randomBytes(NONCE_BYTES);
  const { current } = keys;
  const key = current.key(KEYS[place.kind]);
  const cipher = createCipheriv("aes-256-gcm", key, nonce);
  cipher.setAAD(nameOf(place));
  const text = cipher.update(Buffer.from(JSON.stringify(value)));
  const rest = cipher.final();
  return new Uint8Array(Buffer.concat([
    Uint8Array.of(VERSION),
    Buffer.from(current.kid, "base64url"),
    nonce,
    text,
    rest,
    cipher.getAuthTag(),
  ]));
}

/**
 * Opens a sealed value. Undefined where it was not sealed for this place with
 * an accepted key, or was changed.
 */
export function unseal(
  keys: KeyRing,
  place: SealedPlace,
  sealed: Uint8Array,
): unknown {
  const bytes = Buffer.from(sealed);
  if (bytes.length < HEAD_BYTES + TAG_BYTES || bytes[0] !== VERSION) {
    return undefined;
  }
  const kid = bytes.toString("base64url", 1, 1 + KID_BYTES);
  const key = keys.find(kid)?.key(KEYS[place.kind]);
  if (key === undefined) return undefined;
  const nonce = bytes.subarray(1 + KID_BYTES, HEAD_BYTES);
  const decipher = createDecipheriv("aes-256-gcm", key, nonce, {
    authTagLength: TAG_BYTES,
  });
  decipher.setAAD(nameOf(place));
  decipher.setAuthTag(bytes.subarray(bytes.length - TAG_BYTES));
  try {
    const text = Buffer.concat([
      decipher.update(bytes.subarray(HEAD_BYTES, bytes.length - TAG_BYTES)),
      decipher.final(),
    ]);
    return parseExactly(text.toString());
  } catch {
    return undefined; // the tag does not match: another place, or changed
  }
}

/** Unambiguous whatever the parts contain. */
function nameOf(place: SealedPlace): Buffer {
  return Buffer.from(
    JSON.stringify([place.kind, place.session, place.key ?? ""]),
  );
}
