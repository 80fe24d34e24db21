/**
 * What access logs call a session.
 *
 * @module
 */

import { short } from "../shared/log.ts";
import type { ClientSession } from "../shared/sessions/sessions.ts";

const labels = new WeakMap<ClientSession, string>();

/** The session's id, shortened; of a session that is known, once only. */
export function sessionLabel(session: ClientSession): string {
  const known = labels.get(session);
  if (known !== undefined) return known;
  const label = short(session.id);
  labels.set(session, label);
  return label;
}
