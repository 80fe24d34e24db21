/**
 * A kind's list as one view shows it, cut into pages that clients can take up
 * again wherever they stopped. The bytes of a page are put together once and
 * serve every client. Pure.
 *
 * @see https://modelcontextprotocol.io/specification/2025-11-25/server/utilities/pagination
 * @module
 */

import { arrayParts, joinBytes } from "../../shared/bytes.ts";
import type { Era } from "../../shared/mcp.ts";
import { KINDS, type ListKind } from "./kinds.ts";
import { type MergedItem, shortHash } from "./merge.ts";
import { formFor } from "./prepare_item.ts";

/** How large a page may become. */
export interface PageLimits {
  /** Items of one page. */
  readonly items: number;
  /** Bytes of one page's items; a larger single item has a page of its own. */
  readonly bytes: number;
}

/** Up to where a client has read a list. */
export interface PagePosition {
  /** Read last among what all clients see, or among what only this one sees. */
  readonly part: "shared" | "own";
  /** {@linkcode sortKey} of what was read last. */
  readonly after: string;
}

/** One page. */
export interface ListPage {
  /** JSON text of the result, in pieces, up to its closing brace. */
  readonly parts: readonly Uint8Array[];
  /** Where the next page begins; absent on the last one. */
  readonly next?: PagePosition;
}

/** Units of a name that a sort key has: a cursor must stay short. */
const MAX_SORTED = 256;

const CLOSE_ARRAY = Uint8Array.of(0x5d);
const COMMA = Uint8Array.of(0x2c);

/**
 * What items are sorted by, which is also what a cursor remembers: the name as
 * clients see it; of a very long one the beginning, and a hash of the whole.
 */
export function sortKey(exposed: string): string {
  return exposed.length <= MAX_SORTED
    ? exposed
    // No name has this control character.
    : `${exposed.slice(0, MAX_SORTED)}\u0000${shortHash(exposed)}`;
}

/**
 * A list in pages. One that fits one page is shown in the order of the
 * catalog. A longer one is sorted by name instead, because a position must
 * mean the same whatever was added or removed meanwhile, and on every replica,
 * whose servers may have listed in another order: so no page is shown twice,
 * and nothing that stays is left out.
 */
export class Listing {
  readonly #kind: ListKind;
  readonly #era: Era;
  readonly #items: readonly MergedItem[];
  readonly #limits: PageLimits;
  readonly #bytes: number;
  #whole: Uint8Array | undefined;
  #sorted: Sorted | undefined;
  /** By the index where a page ends; only pages of {@linkcode Sorted}. */
  readonly #pages = new Map<number, Uint8Array>();

  /** Lists these, in this order, for clients of an era. */
  constructor(
    kind: ListKind,
    items: readonly MergedItem[],
    limits: PageLimits,
    era: Era = "session",
  ) {
    this.#kind = kind;
    this.#era = era;
    this.#items = shownTo(era, items);
    this.#limits = limits;
    this.#bytes = sizeOf(this.#items);
  }

  /**
   * Answers one page.
   *
   * @param position Where the client stopped; undefined for the first page.
   * @param mine What only this client sees, behind what all see.
   */
  page(
    position: PagePosition | undefined,
    mine: readonly MergedItem[] = [],
  ): ListPage {
    const own = shownTo(this.#era, mine);
    if (position === undefined && this.#fits(own)) {
      return { parts: withItems(this.#wholeBytes(), own) };
    }
    if (position?.part === "own") return this.#ownPage(own, position.after);
    return this.#sharedPage(position?.after ?? "", own);
  }

  #fits(own: readonly MergedItem[]): boolean {
    const { items, bytes } = this.#limits;
    return this.#items.length + own.length <= items &&
      this.#bytes + sizeOf(own) <= bytes;
  }

  #wholeBytes(): Uint8Array {
    return this.#whole ??= this.#write(this.#items);
  }

  #sharedPage(after: string, own: readonly MergedItem[]): ListPage {
    const sorted = this.#sorted ??= sort(this.#items, this.#limits);
    const start = firstBehind(sorted.keys, after);
    // Nothing is left of what all see: it ended, or went, meanwhile.
    if (start === sorted.items.length) return this.#ownPage(own, "");
    // A page that begins elsewhere than planned ends as planned, so that the
    // next ones are the prepared ones again.
    const end = sorted.ends.find((end) => end > start)!;
    const planned = start === 0 || sorted.ends.includes(start);
    let bytes = planned ? this.#pages.get(end) : undefined;
    if (bytes === undefined) {
      bytes = this.#write(sorted.items.slice(start, end));
      if (planned) this.#pages.set(end, bytes);
    }
    const more = end < sorted.items.length || own.length > 0;
    const last = sorted.keys[end - 1]!;
    return {
      parts: [bytes, CLOSE_ARRAY],
      ...(more ? { next: { part: "shared", after: last } } : {}),
    };
  }

  /** Lists of one client are short, and asked for once: nothing is kept. */
  #ownPage(own: readonly MergedItem[], after: string): ListPage {
    const sorted = sort(own, this.#limits);
    const start = firstBehind(sorted.keys, after);
    const end = sorted.ends.find((end) => end > start) ?? start;
    const last = sorted.keys[end - 1];
    return {
      parts: [this.#write(sorted.items.slice(start, end)), CLOSE_ARRAY],
      ...(end < sorted.items.length && last !== undefined
        ? { next: { part: "own", after: last } }
        : {}),
    };
  }

  /** A list without its closing bracket: more may follow. */
  #write(items: readonly MergedItem[]): Uint8Array {
    const head = new TextEncoder().encode(`{"${KINDS[this.#kind].member}":`);
    const array = arrayParts(items.map(({ bytes }) => bytes));
    return joinBytes([head, ...array.slice(0, -1)]);
  }
}

/** What clients of an era see of items, and how. */
function shownTo(
  era: Era,
  items: readonly MergedItem[],
): readonly MergedItem[] {
  if (era === "session") return items;
  return items.flatMap((item) => {
    const bytes = formFor(item, era);
    return bytes === undefined ? [] : [{ ...item, bytes }];
  });
}

/** Closes a list after further items. */
function withItems(
  list: Uint8Array,
  own: readonly MergedItem[],
): readonly Uint8Array[] {
  const empty = list.at(-1) === OPEN_ARRAY;
  return [
    list,
    ...own.flatMap(({ bytes }, index) =>
      index === 0 && empty ? [bytes] : [COMMA, bytes]
    ),
    CLOSE_ARRAY,
  ];
}

const OPEN_ARRAY = 0x5b;

/** Items in the order of their keys, and where pages of them end. */
interface Sorted {
  readonly items: readonly MergedItem[];
  readonly keys: readonly string[];
  /** Indexes behind the last item of each page. */
  readonly ends: readonly number[];
}

function sort(items: readonly MergedItem[], limits: PageLimits): Sorted {
  const keyed = items.map((item) => ({ item, key: sortKey(item.exposed) }))
    // By code units: no replica's locale may matter.
    .sort((a, b) => a.key < b.key ? -1 : a.key > b.key ? 1 : 0);
  const ends: number[] = [];
  let first = 0;
  let bytes = 0;
  for (const [index, { item }] of keyed.entries()) {
    const size = item.bytes.byteLength + 1;
    if (
      index > first &&
      (index - first >= limits.items || bytes + size > limits.bytes)
    ) {
      ends.push(index);
      first = index;
      bytes = 0;
    }
    bytes += size;
  }
  if (keyed.length > 0) ends.push(keyed.length);
  return {
    items: keyed.map(({ item }) => item),
    keys: keyed.map(({ key }) => key),
    ends,
  };
}

/** Index of the first key that is greater. */
function firstBehind(keys: readonly string[], after: string): number {
  let from = 0;
  let to = keys.length;
  while (from < to) {
    const middle = (from + to) >> 1;
    if (keys[middle]! <= after) from = middle + 1;
    else to = middle;
  }
  return from;
}

/** Bytes of items, each with the comma before it. */
function sizeOf(items: readonly MergedItem[]): number {
  return items.reduce((sum, { bytes }) => sum + bytes.byteLength + 1, 0);
}
