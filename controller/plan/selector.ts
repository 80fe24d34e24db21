/**
 * Label selectors, as `kubectl -l` writes them. Pure.
 *
 * @module
 */

/** One requirement; an object has to meet each. */
export type Requirement =
  | {
    /** The label's value is, or is not, among these. */
    readonly kind: "in" | "notin";
    /** Name of the label. */
    readonly key: string;
    /** The values. */
    readonly values: readonly string[];
  }
  | {
    /** The label is there, or is not. */
    readonly kind: "exists" | "absent";
    /** Name of the label. */
    readonly key: string;
  };

/** Requirements, all to be met; none takes everything. */
export type Selector = readonly Requirement[];

const KEY = String.raw`[A-Za-z0-9][\w.\/-]{0,316}`;
const FORMS: readonly [
  RegExp,
  (key: string, values: readonly string[]) => Requirement,
][] = [
  [new RegExp(`^(${KEY})\\s*==?\\s*([\\w.-]*)$`), (key, values) => ({
    kind: "in",
    key,
    values,
  })],
  [new RegExp(`^(${KEY})\\s*!=\\s*([\\w.-]*)$`), (key, values) => ({
    kind: "notin",
    key,
    values,
  })],
  [new RegExp(`^(${KEY})\\s+in\\s*\\(([\\w.,\\s-]*)\\)$`), (key, values) => ({
    kind: "in",
    key,
    values,
  })],
  [
    new RegExp(`^(${KEY})\\s+notin\\s*\\(([\\w.,\\s-]*)\\)$`),
    (key, values) => ({
      kind: "notin",
      key,
      values,
    }),
  ],
  [new RegExp(`^(${KEY})$`), (key) => ({ kind: "exists", key })],
  [new RegExp(`^!\\s*(${KEY})$`), (key) => ({ kind: "absent", key })],
];

/**
 * Parses a selector; "" selects everything.
 *
 * @throws {SyntaxError} If a requirement is none.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { parseSelector, selects } from "./selector.ts";
 *
 * const selector = parseSelector("mcp=true,tier notin (dev,test)");
 * assert(selects(selector, new Map([["mcp", "true"]])));
 * ```
 */
export function parseSelector(text: string): Selector {
  // A comma within brackets parts values, not requirements.
  return text.split(/,(?![^()]*\))/).map((part) => part.trim())
    .filter((part) => part !== "").map((part) => {
      for (const [form, make] of FORMS) {
        const found = form.exec(part);
        if (found === null) continue;
        const values = (found[2] ?? "").split(",").map((one) => one.trim());
        return make(found[1] ?? "", values);
      }
      throw new SyntaxError(
        `Cannot parse label selector: ${JSON.stringify(part)} is none of ` +
          `"key=value", "key!=value", "key in (a,b)", "key notin (a,b)", "key", "!key"`,
      );
    });
}

/** Tells whether labels meet every requirement. */
export function selects(
  selector: Selector,
  labels: ReadonlyMap<string, string>,
): boolean {
  return selector.every((requirement) => {
    const value = labels.get(requirement.key);
    switch (requirement.kind) {
      case "in":
        return value !== undefined && requirement.values.includes(value);
      case "notin": // as in Kubernetes, a label that is not there is not among them
        return value === undefined || !requirement.values.includes(value);
      case "exists":
        return value !== undefined;
      case "absent":
        return value === undefined;
      default:
        return requirement satisfies never;
    }
  });
}
