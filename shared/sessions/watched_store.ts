/**
 * Says when a session store fails and when it is back: once each, however many
 * requests an outage meets.
 *
 * @module
 */

import type { Logger } from "../log.ts";
import type { SessionStore } from "./store.ts";

/** The same store, whose failures are logged. */
export function watchedStore(store: SessionStore, log: Logger): SessionStore {
  let failing = false;
  const succeeded = <T>(value: T): T => {
    if (failing) log.info("session store back");
    failing = false;
    return value;
  };
  const failed = (error: unknown): never => {
    if (!failing) log.error("session store failed", { error });
    failing = true;
    throw error;
  };
  return new Proxy(store, {
    get(target, name) {
      const member = Reflect.get(target, name, target);
      if (typeof member !== "function") return member;
      return (...args: unknown[]) => {
        const answer = member.apply(target, args);
        return answer instanceof Promise
          ? answer.then(succeeded, failed)
          : answer;
      };
    },
  });
}
