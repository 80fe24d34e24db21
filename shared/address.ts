/**
 * Addresses that programs listen on, as people write them. Pure.
 *
 * @module
 */

/** A TCP address. */
export interface TcpAddress {
  /** `tcp`. */
  readonly kind: "tcp";
  /** Hostname or IP address; IPv6 without brackets. */
  readonly host: string;
  /** Port; 0 means a free one. */
  readonly port: number;
}

/** A unix domain socket. */
export interface UnixAddress {
  /** `unix`. */
  readonly kind: "unix";
  /** Absolute path of the socket. */
  readonly path: string;
}

/** Where a program listens. */
export type Address = TcpAddress | UnixAddress;

/** An address, or what is wrong with the text. */
export type AddressResult =
  | { readonly ok: true; readonly address: Address }
  | { readonly ok: false; readonly problem: string };

/** Bytes that fit into `sockaddr_un.sun_path` on Linux, its NUL left out. */
const MAX_SOCKET_PATH = 107;

/**
 * Reads `HOST:PORT`, `[IPV6]:PORT` or `unix:/path`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { parseAddress } from "./address.ts";
 *
 * assertEquals(parseAddress("[::1]:8080"), {
 *   ok: true,
 *   address: { kind: "tcp", host: "::1", port: 8080 },
 * });
 * ```
 */
export function parseAddress(text: string): AddressResult {
  if (text.startsWith("unix:")) return parseUnix(text.slice("unix:".length));
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+)):(\d{1,5})$/
    .exec(text);
  if (match === null) {
    return { ok: false, problem: "want HOST:PORT, [IPV6]:PORT or unix:/PATH" };
  }
  const port = Number(match[3]);
  if (port > 65_535) {
    return { ok: false, problem: "want a port from 0 to 65535" };
  }
  const [, ipv6, name] = match;
  if (ipv6 !== undefined && !URL.canParse(`http://[${ipv6}]/`)) {
    return { ok: false, problem: "want an IPv6 address between [ and ]" };
  }
  return { ok: true, address: { kind: "tcp", host: ipv6 ?? name!, port } };
}

function parseUnix(rest: string): AddressResult {
  if (!rest.startsWith("/") || rest.includes("\0")) {
    return { ok: false, problem: "want an absolute path after unix:" };
  }
  const path = rest.replace(/^\/+/, "/"); // unix:///run/x, as URLs write it
  if (new TextEncoder().encode(path).length > MAX_SOCKET_PATH) {
    return {
      ok: false,
      problem: `want a socket path of at most ${MAX_SOCKET_PATH} bytes`,
    };
  }
  return { ok: true, address: { kind: "unix", path } };
}

/**
 * Writes an address the way {@linkcode parseAddress} reads it.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { formatAddress } from "./address.ts";
 *
 * assertEquals(formatAddress({ kind: "tcp", host: "::", port: 1 }), "[::]:1");
 * ```
 */
export function formatAddress(address: Address): string {
  if (address.kind === "unix") return `unix:${address.path}`;
  return address.host.includes(":")
    ? `[${address.host}]:${address.port}`
    : `${address.host}:${address.port}`;
}

/**
 * Where a listener is reached from this machine: one that listens everywhere,
 * on loopback.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { reachableAt } from "./address.ts";
 *
 * assertEquals(reachableAt({ kind: "tcp", host: "0.0.0.0", port: 1 }), {
 *   kind: "tcp",
 *   host: "127.0.0.1",
 *   port: 1,
 * });
 * ```
 */
export function reachableAt(address: Address): Address {
  if (address.kind === "unix") return address;
  switch (address.host) {
    case "0.0.0.0":
      return { ...address, host: "127.0.0.1" };
    case "::":
      return { ...address, host: "::1" };
    default:
      return address;
  }
}
