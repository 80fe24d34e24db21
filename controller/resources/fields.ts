/**
 * Reads typed values out of an object from the API server. What has another
 * type is left out and becomes a finding; nothing throws. Pure.
 *
 * @module
 */

import type { Finding } from "./finding.ts";

type Raw = Readonly<Record<string, unknown>>;

/** One object, or a part of one, and where it stands. */
export class Fields {
  readonly #raw: Raw;
  readonly #findings: Finding[];
  /** Path in the object, "" for the whole. */
  readonly path: string;

  /**
   * Reads a value.
   *
   * @param raw Anything; what is no object reads as an empty one.
   * @param findings Where to put what is wrong.
   * @param path Where the value stands.
   */
  constructor(raw: unknown, findings: Finding[], path = "") {
    this.path = path;
    this.#findings = findings;
    this.#raw = isObject(raw) ? raw : {};
    if (!isObject(raw) && path !== "") this.#wrong(path, raw, "an object");
  }

  /** The value as it is; nothing for null, as the API server drops those. */
  value(key: string): unknown {
    return Object.hasOwn(this.#raw, key)
      ? this.#raw[key] ?? undefined
      : undefined;
  }

  /** Text, or what stands in for it. */
  text(key: string): string | undefined {
    const value = this.value(key);
    if (value === undefined || typeof value === "string") return value;
    this.#wrong(this.at(key), value, "text");
    return undefined;
  }

  /** Text that must be there; "" and a finding where it is not. */
  required(key: string): string {
    const value = this.text(key);
    if (value !== undefined && value !== "") return value;
    if (value === "" || this.value(key) === undefined) {
      this.report(key, "it is missing", "Add it");
    }
    return "";
  }

  /** A whole number. */
  integer(key: string): number | undefined {
    const value = this.value(key);
    if (value === undefined) return undefined;
    if (typeof value === "number" && Number.isSafeInteger(value)) return value;
    this.#wrong(this.at(key), value, "a whole number");
    return undefined;
  }

  /** One of a few words. */
  choice<T extends string>(
    key: string,
    choices: readonly T[],
    otherwise: T,
  ): T {
    const text = this.text(key);
    if (text === undefined || text === "") return otherwise;
    const choice = choices.find((each) => each === text);
    if (choice !== undefined) return choice;
    this.report(
      key,
      `it is ${JSON.stringify(text.slice(0, 40))}`,
      `Write ${choices.join(" or ")}`,
    );
    return otherwise;
  }

  /** An object below; nothing where there is none. */
  child(key: string): Fields | undefined {
    const value = this.value(key);
    return value === undefined
      ? undefined
      : new Fields(value, this.#findings, this.at(key));
  }

  /** The objects of a list. */
  children(key: string): readonly Fields[] {
    return this.#list(key).map((item, i) =>
      new Fields(item, this.#findings, `${this.at(key)}[${i}]`)
    );
  }

  /** The texts of a list, none of them empty. */
  texts(key: string): readonly string[] {
    return this.#list(key).flatMap((item, i) => {
      if (typeof item === "string" && item !== "") return [item];
      this.#wrong(`${this.at(key)}[${i}]`, item, "text that is not empty");
      return [];
    });
  }

  /** A mapping of texts; entries of another type are left out. */
  entries(key: string): ReadonlyMap<string, string> {
    const value = this.value(key);
    const found = new Map<string, string>();
    if (value === undefined) return found;
    if (!isObject(value)) {
      this.#wrong(this.at(key), value, "an object");
      return found;
    }
    for (const name of Object.keys(value)) {
      const entry = value[name];
      if (typeof entry === "string") found.set(name, entry);
      else this.#wrong(this.at(key, name), entry, "text");
    }
    return found;
  }

  /** Path of a key, or of one below it. */
  at(...keys: readonly string[]): string {
    return [...(this.path === "" ? [] : [this.path]), ...keys].join(".");
  }

  /** Adds a finding about a key. */
  report(key: string, state: string, remedy: string): void {
    this.#findings.push({ path: this.at(key), state, remedy });
  }

  #list(key: string): readonly unknown[] {
    const value = this.value(key);
    if (value === undefined) return [];
    if (Array.isArray(value)) return value;
    this.#wrong(this.at(key), value, "a list");
    return [];
  }

  #wrong(path: string, value: unknown, wanted: string): void {
    // Never the value: in a Secret it would be one.
    this.#findings.push({
      path,
      state: `it is ${kindOf(value)}`,
      remedy: `Write ${wanted}`,
    });
  }
}

function isObject(value: unknown): value is Raw {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function kindOf(value: unknown): string {
  if (value === null || value === undefined || value === "") return "empty";
  if (Array.isArray(value)) return "a list";
  return typeof value === "object" ? "an object" : `a ${typeof value}`;
}
