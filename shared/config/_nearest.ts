/**
 * Finds the word that someone most likely meant. Pure.
 *
 * @module
 */

/**
 * Returns the candidate that is nearest to a word by edits (insert, remove,
 * replace, swap of neighbours), case and separators aside; nothing where none
 * is near enough to be a slip.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { nearest } from "./_nearest.ts";
 *
 * assertEquals(nearest("hostnmae", ["name", "hostname"]), "hostname");
 * assertEquals(nearest("colour", ["name", "hostname"]), undefined);
 * ```
 */
export function nearest(
  word: string,
  candidates: readonly string[],
): string | undefined {
  const folded = fold(word);
  if (folded.length > 64) return undefined;
  let best: string | undefined;
  let bestEdits = Infinity;
  for (const candidate of candidates) {
    const edits = editsBetween(folded, fold(candidate));
    const allowed = Math.max(1, Math.floor(candidate.length / 3));
    if (edits <= allowed && edits < bestEdits) {
      best = candidate;
      bestEdits = edits;
    }
  }
  return best;
}

function fold(word: string): string {
  return word.toLowerCase().replaceAll(/[-_ ]/g, "");
}

/** Edits between two words, a swap of neighbours counted as one. */
function editsBetween(a: string, b: string): number {
  let twoBack: number[] = [];
  let oneBack = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let edits = Math.min(
        (oneBack[j] ?? 0) + 1,
        (row[j - 1] ?? 0) + 1,
        (oneBack[j - 1] ?? 0) + (same ? 0 : 1),
      );
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] &&
        a[i - 2] === b[j - 1];
      if (swapped) edits = Math.min(edits, (twoBack[j - 2] ?? 0) + 1);
      row.push(edits);
    }
    twoBack = oneBack;
    oneBack = row;
  }
  return oneBack[b.length] ?? 0;
}
