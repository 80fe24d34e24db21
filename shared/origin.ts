/**
 * Protection of browsers' users: which origins and hosts a request may name
 * (DNS rebinding; 2025-11-25, transports, security warning). Pure.
 *
 * @module
 */

import type { Refusal } from "./errors.ts";

/** What is allowed. `*` in a list allows everything. */
export interface OriginSettings {
  /** Origins, `https://app.example`. Those of this machine always are. */
  readonly allowedOrigins: readonly string[];
  /** Hosts, without port. An empty list allows all. */
  readonly allowedHosts: readonly string[];
}

/** What a request says of where it comes from and goes to. */
export interface RequestOrigin {
  /** Value of `host` or `:authority`, where there is one. */
  readonly host: string | null | undefined;
  /** Value of `origin`, where there is one. */
  readonly origin: string | null | undefined;
}

const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[::1\]|[^.]+\.localhost)$/;

/**
 * Refuses a request from a page that has no business here; undefined where it
 * may go on. A request without an origin is not from a page.
 */
export function checkOrigin(
  { host, origin }: RequestOrigin,
  settings: OriginSettings,
): Refusal | undefined {
  if (
    host !== null && host !== undefined &&
    !isAllowedHost(host, settings.allowedHosts)
  ) {
    return { kind: "forbidden origin", detail: "the Host is not allowed" };
  }
  if (
    origin === null || origin === undefined ||
    isAllowedOrigin(origin, settings.allowedOrigins)
  ) {
    return undefined;
  }
  return { kind: "forbidden origin" };
}

function isAllowedHost(host: string, allowed: readonly string[]): boolean {
  if (allowed.length === 0 || allowed.includes("*")) return true;
  const name = host.toLowerCase().replace(/:\d*$/, "");
  return allowed.some((one) => one.toLowerCase() === name);
}

function isAllowedOrigin(origin: string, allowed: readonly string[]): boolean {
  if (allowed.includes("*") || allowed.includes(origin)) return true;
  const url = URL.canParse(origin) ? new URL(origin) : undefined;
  return url !== undefined && /^https?:$/.test(url.protocol) &&
    LOOPBACK.test(url.hostname);
}
