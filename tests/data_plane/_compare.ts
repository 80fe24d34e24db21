/**
 * Tells how two recordings of one conversation differ, in a form that a person
 * reads: what is missing, what is there instead. Pure.
 *
 * @module
 */

import {
  type AllowedDifference,
  type Side,
  withoutAllowed,
} from "./_allowed_differences.ts";
import { exchangeLines, type Transcript } from "./_transcript.ts";

/** A recording and how it was made. */
export interface Recording {
  /** What was received. */
  readonly transcript: Transcript;
  /** How. */
  readonly side: Side;
}

/**
 * Differences that are not allowed; none is what a lossless gateway has.
 *
 * @param except A difference that is not allowed this time.
 */
export function compare(
  direct: Recording,
  gateway: Recording,
  except?: AllowedDifference,
): string[] {
  const [wanted, got] = [direct, gateway].map(({ transcript, side }) =>
    blocks(withoutAllowed(transcript, side, except))
  ) as [Map<string, string[]>, Map<string, string[]>];
  const names = new Set([...wanted.keys(), ...got.keys()]);
  const found = [...names].flatMap((name) =>
    lineDifferences(name, wanted.get(name), got.get(name))
  );
  if (found.length > 0) return found;
  // Equal one by one, they may still be in another order.
  const order = [...got.keys()];
  const moved = [...wanted.keys()].findIndex((name, at) => name !== order[at]);
  return moved === -1 ? [] : [`${order[moved]}: comes too early`];
}

/** Lines of each exchange, under a name of its own. */
function blocks(
  { exchanges, problems }: Transcript,
): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const exchange of exchanges) {
    const base = `${exchange.step} / ${exchange.http} ${exchange.method}`;
    let name = base;
    for (let n = 2; found.has(name); n++) name = `${base} (${n})`;
    found.set(name, exchangeLines(exchange));
  }
  return problems.length === 0 ? found : found.set("the script", [...problems]);
}

/** What two lists of lines do not have in common; none where they are equal. */
export function lineDifferences(
  name: string,
  wanted: readonly string[] = [],
  got: readonly string[] = [],
): string[] {
  if (wanted.join("\n") === got.join("\n")) return [];
  const missing = without(wanted, got);
  const added = without(got, wanted);
  return [
    missing.length + added.length === 0
      ? `${name}: the same lines in another order`
      : `${name}:`,
    ...some(missing, "-"),
    ...some(added, "+"),
  ];
}

/** As much as a person reads. */
function some(lines: readonly string[], sign: string): string[] {
  const more = lines.length - MOST_LINES;
  return [
    ...lines.slice(0, MOST_LINES).map((line) =>
      `  ${sign} ${line.length > 200 ? `${line.slice(0, 200)} …` : line}`
    ),
    ...more > 0 ? [`  ${sign} and ${more} lines more`] : [],
  ];
}

const MOST_LINES = 12;

/** What of a list is not in another, each line as often as it is more. */
function without(list: readonly string[], other: readonly string[]): string[] {
  const left = new Map<string, number>();
  for (const line of other) left.set(line, (left.get(line) ?? 0) + 1);
  return list.filter((line) => {
    const count = left.get(line) ?? 0;
    left.set(line, count - 1);
    return count <= 0;
  });
}
