/**
 * Secret and ConfigMap: what registrations refer to, and what we write. A
 * Secret's values are never shown, in a finding neither. Pure.
 *
 * @module
 */

import type { Fields } from "./fields.ts";
import type { Finding } from "./finding.ts";
import { MANAGED_BY, MANAGED_BY_LABEL, SECRET_LABEL } from "./groups.ts";
import type { Meta } from "./meta.ts";

/** A Secret. */
export interface Secret {
  /** Tells the kinds of resources apart. */
  readonly kind: "Secret";
  /** Its metadata. */
  readonly meta: Meta;
  /** Its entries, Base64. */
  readonly data: ReadonlyMap<string, string>;
  /** What cannot be used. */
  readonly findings: readonly Finding[];
}

/** A ConfigMap. */
export interface ConfigMap {
  /** Tells the kinds of resources apart. */
  readonly kind: "ConfigMap";
  /** Its metadata. */
  readonly meta: Meta;
  /** Its entries. */
  readonly data: ReadonlyMap<string, string>;
  /** What cannot be used. */
  readonly findings: readonly Finding[];
}

/** Reads a Secret. */
export function readSecretObject(
  object: Fields,
  meta: Meta,
  findings: Finding[],
): Secret {
  return { kind: "Secret", meta, data: object.entries("data"), findings };
}

/** Reads a ConfigMap. */
export function readConfigMap(
  object: Fields,
  meta: Meta,
  findings: Finding[],
): ConfigMap {
  return { kind: "ConfigMap", meta, data: object.entries("data"), findings };
}

/** Tells whether its owner lets registrations refer to a Secret. */
export function isOffered({ meta }: Secret): boolean {
  return meta.labels.get(SECRET_LABEL) === "true";
}

/** Tells whether an object was written by this controller. */
export function isOurs({ meta }: { readonly meta: Meta }): boolean {
  return meta.labels.get(MANAGED_BY_LABEL) === MANAGED_BY;
}

/** An entry of a Secret as text; nothing where it is not there or no UTF-8. */
export function secretText(secret: Secret, key: string): string | undefined {
  const encoded = secret.data.get(key);
  if (encoded === undefined) return undefined;
  try {
    return new TextDecoder("utf-8", { fatal: true })
      .decode(Uint8Array.fromBase64(encoded));
  } catch {
    return undefined;
  }
}
