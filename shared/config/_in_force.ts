/**
 * The configuration in force: replaced whole by a valid one, kept whatever
 * else comes, wherever it comes from. Says what changed and what is wrong.
 *
 * @module
 */

import type { LogFields, Logger } from "../log.ts";
import type { ConfigProblem, GatewayConfig } from "./model.ts";
import { formatProblem } from "./parse.ts";

/** What is in force, and what is wrong with what was read last. */
export interface ConfigState {
  /** The configuration in force; absent while there has been no valid one. */
  readonly config?: GatewayConfig;
  /** Problems and warnings of the content as it is now. */
  readonly problems: readonly ConfigProblem[];
}

/** Who is told of changes. */
export interface ConfigListeners {
  /** Takes a configuration into force; the next waits until this is done. */
  readonly onChange: (config: GatewayConfig) => void | Promise<void>;
  /** Hears the problems, [] for none, whenever they change. */
  readonly onProblems?: (problems: readonly ConfigProblem[]) => void;
  /** Gets every problem of each distinct content, and versions in force. */
  readonly log: Logger;
}

/** The configuration in force. */
export class InForce {
  readonly #file: string;
  readonly #listeners: ConfigListeners;
  #state: ConfigState = { problems: [] };

  /** Starts without any; `file` is where it comes from, for the log. */
  constructor(file: string, listeners: ConfigListeners) {
    this.#file = file;
    this.#listeners = listeners;
  }

  /** What is in force now. */
  get state(): ConfigState {
    return this.#state;
  }

  /** Replaces the configuration in force, unless it is the same. */
  async accept(
    config: GatewayConfig,
    problems: readonly ConfigProblem[],
  ): Promise<void> {
    const before = this.#state.config;
    const changed = before?.version !== config.version;
    // The same version keeps the same object: nothing to do for anyone.
    const inForce = changed ? config : before ?? config;
    this.#setState({ config: inForce, problems });
    for (const problem of problems) {
      this.#log("warn", "configuration warning", {
        problem: formatProblem(problem),
      });
    }
    if (!changed) {
      this.#log("info", "configuration unchanged", { config: config.version });
      return;
    }
    this.#log("info", "configuration in force", {
      config: config.version,
      servers: config.servers.length,
    });
    try {
      await this.#listeners.onChange(config);
    } catch (error) {
      this.#log("error", "configuration change failed", {
        config: config.version,
        error: String(error),
      });
    }
  }

  /** Reports a content and keeps what is in force. */
  refuse(problems: readonly ConfigProblem[]): void {
    const { config } = this.#state;
    this.#setState({ ...(config ? { config } : {}), problems });
    for (const problem of problems) {
      this.#log(
        problem.severity === "error" ? "error" : "warn",
        "configuration refused",
        { problem: formatProblem(problem) },
      );
    }
    this.#log("warn", "configuration kept", {
      config: config?.version ?? "none",
    });
  }

  #setState(state: ConfigState): void {
    this.#state = state;
    try {
      this.#listeners.onProblems?.(state.problems);
    } catch (error) {
      this.#log("error", "configuration report failed", {
        error: String(error),
      });
    }
  }

  #log(level: "info" | "warn" | "error", message: string, fields: LogFields) {
    this.#listeners.log[level](message, { file: this.#file, ...fields });
  }
}
