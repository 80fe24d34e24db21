/**
 * What leads a client of the stateless era back to a call that waits for its
 * answers: sealed, since it passes through the client, and of use to nobody
 * but the caller that got it, for nothing but the same call, until it expires.
 * Pure.
 *
 * @see https://modelcontextprotocol.io/specification/2026-07-28/basic/patterns/mrtr#server-requirements-basic-workflow
 * @module
 */

import { isObject } from "../../../shared/jsonrpc/parsed.ts";
import type { KeyRing } from "../../../shared/sessions/keys.ts";
import type { SealedPlace } from "../../../shared/sessions/seal.ts";
import type { Listener } from "../../../shared/sessions/sessions.ts";
import { openOwned, type Sealing, sealOwned } from "../owner.ts";

/** Which call waits, and where. */
export interface RequestState {
  /** The broker that has it. */
  readonly owner: Listener;
  /** Names this wait of the call, and no other: random. */
  readonly wait: string;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
}

/** What a state is bound to: it opens for nothing else. */
export interface StateBinding {
  /** Identity of the caller; "" for an anonymous one. */
  readonly identity: string;
  /** Digest of the call. */
  readonly digest: string;
}

/** Longest state that is read, characters. */
const MAX_LENGTH = 4_096;

/** Writes a state. */
export function writeState(
  sealing: Sealing,
  binding: StateBinding,
  { owner, wait, expiresAt }: RequestState,
): string {
  const what = { wait, exp: expiresAt };
  return sealOwned(sealing, placeOf(binding), { owner, what });
}

/**
 * Reads a state.
 *
 * @param now Milliseconds since the epoch.
 * @returns Undefined where it is altered, expired, of another caller or of
 * another call: nobody is told which.
 */
export function readState(
  keys: KeyRing,
  binding: StateBinding,
  sealed: string,
  now: number,
): RequestState | undefined {
  if (sealed.length > MAX_LENGTH) return undefined;
  const opened = openOwned(keys, placeOf(binding), sealed);
  if (opened === undefined || !isObject(opened.what)) return undefined;
  const { wait, exp } = opened.what;
  return typeof wait === "string" && typeof exp === "number" && exp > now
    ? { owner: opened.owner, wait, expiresAt: exp }
    : undefined;
}

function placeOf({ identity, digest }: StateBinding): SealedPlace {
  return { kind: "parked call", session: identity, key: digest };
}
