/**
 * Signed statements of the gateway to itself, `v1.KID.PAYLOAD.MAC`: the codec
 * that all of them share, and the session token that clients hold as their
 * `Mcp-Session-Id`. Pure and synchronous. A token proves that the gateway
 * wrote it; it authenticates nobody.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { createHmac, timingSafeEqual } from "node:crypto";
import { isObject } from "../jsonrpc/parsed.ts";
import { parseExactly } from "../jsonrpc/parse_exactly.ts";
import {
  type ClientCapabilities,
  isSessionRevision,
  type SessionRevision,
} from "../mcp.ts";
import type { KeyPurpose, KeyRing, MasterKey } from "./keys.ts";

/** Longest token that is written or read, in characters. */
export const MAX_TOKEN_LENGTH = 4096;

/** How far ahead of ours the clock of the replica that issued may be. */
const CLOCK_SKEW_S = 300;

const VERSION = "v1";
const ISSUER = "mcp-gateway";

/** Version, key name, payload, and 32 bytes of MAC: no padding, no spares. */
const SHAPE = /^v1\.([A-Za-z0-9_-]{8})\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]{43})$/;

/** Members of a statement; {@linkcode signStatement} adds issuer and purpose. */
export type Statement = Readonly<Record<string, unknown>>;

/** Signs a statement with the current key of a purpose. */
export function signStatement(
  keys: KeyRing,
  purpose: KeyPurpose,
  statement: Statement,
): string {
  const payload = Buffer.from(
    JSON.stringify({ ...statement, iss: ISSUER, use: purpose }),
  ).toString("base64url");
  const signed = `${VERSION}.${keys.current.kid}.${payload}`;
  return `${signed}.${macOf(keys.current, purpose, signed)}`;
}

/**
 * Reads a statement back. Undefined unless it is whole, canonical, signed with
 * an accepted key and made for this very purpose. Expiry is for the caller to
 * judge: its place differs.
 */
export function readStatement(
  keys: KeyRing,
  purpose: KeyPurpose,
  token: string,
): Statement | undefined {
  if (token.length > MAX_TOKEN_LENGTH) return undefined;
  const [, kid, payload, mac] = SHAPE.exec(token) ?? [];
  if (kid === undefined || payload === undefined || mac === undefined) {
    return undefined;
  }
  const key = keys.find(kid);
  if (key === undefined) return undefined;
  // Compared as text: a second spelling of the same bytes is refused as well.
  const signed = token.slice(0, token.length - mac.length - 1);
  const expected = Buffer.from(macOf(key, purpose, signed));
  if (!timingSafeEqual(expected, Buffer.from(mac))) return undefined;
  const statement = parseObject(Buffer.from(payload, "base64url").toString());
  if (statement?.iss !== ISSUER || statement.use !== purpose) return undefined;
  return statement;
}

function macOf(key: MasterKey, purpose: KeyPurpose, signed: string): string {
  return createHmac("sha256", key.key(purpose)).update(signed)
    .digest("base64url");
}

function parseObject(text: string): Statement | undefined {
  let value: unknown;
  try {
    value = parseExactly(text);
  } catch {
    return undefined;
  }
  return isObject(value) ? value : undefined;
}

/** What a session token says. */
export interface SessionClaims {
  /** Random 128 bits, base64url. */
  readonly id: string;
  /** Hash of issuer and subject, or "" for an anonymous session. */
  readonly identity: string;
  /** Path that the session was opened on: `/mcp`, `/mcp/NAMESPACE/NAME`. */
  readonly route: string;
  /** Negotiated revision. */
  readonly revision: SessionRevision;
  /**
   * What the client can do, so that any replica can carry the session on.
   * Without `experimental` and `extensions` where they are too large.
   */
  readonly capabilities: ClientCapabilities;
  /** Seconds since the epoch. */
  readonly issuedAt: number;
  /** Absolute end, seconds since the epoch. */
  readonly expiresAt: number;
}

/**
 * Writes a session token. Throws a `RangeError` where it would be longer than
 * {@linkcode MAX_TOKEN_LENGTH}.
 */
export function signSession(keys: KeyRing, claims: SessionClaims): string {
  const token = signStatement(keys, "session", {
    jti: claims.id,
    sub: claims.identity,
    aud: claims.route,
    rev: claims.revision,
    cap: claims.capabilities,
    iat: claims.issuedAt,
    exp: claims.expiresAt,
  });
  if (token.length > MAX_TOKEN_LENGTH) {
    throw new RangeError(
      `Cannot sign session token: it has ${token.length} characters, at most ${MAX_TOKEN_LENGTH} are allowed`,
    );
  }
  return token;
}

/**
 * Reads a session token that is signed by an accepted key and valid at `now`.
 * Undefined for every other, whatever is wrong with it.
 *
 * @param now Seconds since the epoch.
 */
export function readSession(
  keys: KeyRing,
  token: string,
  now: number,
): SessionClaims | undefined {
  const statement = readStatement(keys, "session", token);
  if (statement === undefined) return undefined;
  const { jti, sub, aud, rev, cap, iat, exp } = statement;
  if (typeof jti !== "string" || !/^[A-Za-z0-9_-]{22}$/.test(jti)) {
    return undefined;
  }
  if (typeof sub !== "string" || typeof aud !== "string") return undefined;
  if (!isSessionRevision(rev) || !isObject(cap)) return undefined;
  if (!Number.isSafeInteger(iat) || !Number.isSafeInteger(exp)) {
    return undefined;
  }
  const [issuedAt, expiresAt] = [iat as number, exp as number];
  if (issuedAt > now + CLOCK_SKEW_S || expiresAt <= now) return undefined;
  return {
    id: jti,
    identity: sub,
    route: aud,
    revision: rev,
    capabilities: cap,
    issuedAt,
    expiresAt,
  };
}
