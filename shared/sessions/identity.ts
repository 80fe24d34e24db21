/**
 * Who a request comes from, as far as a session needs to know: a hash that is
 * the same for the same caller and different for another. Decides nothing
 * about access and verifies no signature: an authentication filter before or
 * behind the gateway does. Pure.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";

/** What a request brings along that may tell who sent it. */
export interface IdentityEvidence {
  /** Payload that Envoy's jwt_authn filter verified and left as metadata. */
  readonly jwt?: unknown;
  /** Value of the `authorization` header. */
  readonly authorization?: string | undefined;
  /** Value of the header that {@linkcode IdentityConfig.header} names. */
  readonly header?: string | undefined;
}

/** Where identities may come from besides tokens. */
export interface IdentityConfig {
  /** Name of a header that something trusted sets; none unless configured. */
  readonly header?: string | undefined;
}

/** Characters of the hash that are kept: 132 bits. */
const HASH_LENGTH = 22;

/**
 * Tells who sent a request: "" for nobody in particular, else the first 22
 * characters of the base64url SHA-256 of issuer, NUL and subject.
 *
 * | evidence, the first that is there     | issuer        | subject   |
 * | ------------------------------------- | ------------- | --------- |
 * | jwt_authn payload with `iss`, `sub`   | `iss`         | `sub`     |
 * | bearer token with `iss`, `sub` claims | `iss`         | `sub`     |
 * | any other bearer token                | NUL `token`   | the token |
 * | the configured header                 | NUL `header:` name | its value |
 *
 * No issuer of a token can contain NUL, so none can pose as the last two.
 */
export function identityOf(
  evidence: IdentityEvidence,
  config: IdentityConfig,
): string {
  const verified = subjectOf(evidence.jwt);
  if (verified !== undefined) return hash(verified.iss, verified.sub);
  const token = bearerOf(evidence.authorization);
  if (token !== undefined) {
    const claimed = subjectOf(claimsOf(token));
    return claimed === undefined
      ? hash("\0token", token)
      : hash(claimed.iss, claimed.sub);
  }
  const value = evidence.header?.trim();
  if (config.header !== undefined && value !== undefined && value !== "") {
    return hash(`\0header:${config.header.toLowerCase()}`, value);
  }
  return "";
}

function bearerOf(authorization: string | undefined): string | undefined {
  // RFC 9110 11.1: the scheme's case does not matter.
  return /^\s*bearer +(\S.*?)\s*$/i.exec(authorization ?? "")?.[1];
}

/** Claims of a compact JWS, unverified; undefined where it does not look so. */
function claimsOf(token: string): unknown {
  const claims = /^[\w-]+\.([\w-]+)\.[\w-]*$/.exec(token)?.[1];
  if (claims === undefined) return undefined;
  try {
    return JSON.parse(Buffer.from(claims, "base64url").toString());
  } catch {
    return undefined;
  }
}

function subjectOf(
  claims: unknown,
): { readonly iss: string; readonly sub: string } | undefined {
  if (typeof claims !== "object" || claims === null) return undefined;
  const { iss, sub } = claims as Readonly<Record<string, unknown>>;
  return isName(iss) && isName(sub) ? { iss, sub } : undefined;
}

function isName(value: unknown): value is string {
  return typeof value === "string" && value !== "" && !value.includes("\0");
}

function hash(issuer: string, subject: string): string {
  return createHash("sha256").update(`${issuer}\0${subject}`)
    .digest("base64url").slice(0, HASH_LENGTH);
}
