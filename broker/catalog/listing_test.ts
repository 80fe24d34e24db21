import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import fc from "fast-check";
import {
  Listing,
  type ListPage,
  type PagePosition,
  sortKey,
} from "./listing.ts";
import type { MergedItem } from "./merge.ts";

function item(exposed: string, size = 0): MergedItem {
  const name = JSON.stringify(exposed);
  const bytes = new TextEncoder().encode(
    size === 0
      ? `{"name":${name}}`
      : `{"name":${name},"x":"${"x".repeat(size)}"}`,
  );
  return { name: exposed, exposed, bytes, server: "s", hash: "" };
}

const items = (names: readonly string[]) => names.map((name) => item(name));

function namesIn({ parts }: ListPage): string[] {
  const text = parts.map((part) => new TextDecoder().decode(part)).join("");
  const { tools } = JSON.parse(`${text}}`);
  return tools.map(({ name }: { name: string }) => name);
}

/** Reads page after page, each from the listing that is current by then. */
function readAll(
  current: (page: number) => {
    readonly shared: Listing;
    readonly own?: readonly MergedItem[];
  },
): string[][] {
  const pages: string[][] = [];
  let position: PagePosition | undefined;
  do {
    const { shared, own } = current(pages.length);
    const page: ListPage = shared.page(position, own);
    pages.push(namesIn(page));
    position = page.next;
    assert(pages.length < 1_000, "the pages have no end");
  } while (position !== undefined);
  return pages;
}

const PAGES = [
  {
    name: "shows a list that fits in the order of the catalog",
    shared: ["c", "a", "b"],
    want: [["c", "a", "b"]],
  },
  { name: "shows an empty list", shared: [], want: [[]] },
  {
    name: "cuts a longer one by name",
    shared: ["c", "a", "d", "b"],
    want: [["a", "b", "c"], ["d"]],
  },
  {
    name: "ends with a page that is full",
    shared: ["f", "e", "d", "c", "b", "a"],
    want: [["a", "b", "c"], ["d", "e", "f"]],
  },
  {
    name: "shows what is the client's own behind what all see",
    shared: ["z"],
    own: ["b", "a"],
    want: [["z", "b", "a"]],
  },
  {
    name: "shows what is the client's own although there is nothing else",
    shared: [],
    own: ["b", "a"],
    want: [["b", "a"]],
  },
  {
    name: "has further pages of what is the client's own",
    shared: ["z", "y"],
    own: ["d", "c", "b", "a"],
    want: [["y", "z"], ["a", "b", "c"], ["d"]],
  },
  {
    name: "sorts by code units",
    shared: ["ä", "b", "B", "_"],
    want: [["B", "_", "b"], ["ä"]],
  },
] as const;
for (const { name, shared, want, ...more } of PAGES) {
  Deno.test(`Listing ${name}`, () => {
    const own = items("own" in more ? more.own : []);
    const listing = new Listing("tools", items(shared), {
      items: 3,
      bytes: 1e6,
    });
    assertEquals(readAll(() => ({ shared: listing, own })), [
      ...want.map((page) => [...page]),
    ]);
  });
}

Deno.test("Listing keeps pages below their bytes, but for a single item", () => {
  const all = [item("a", 40), item("b", 40), item("c", 400), item("d", 40)];
  const listing = new Listing("tools", all, { items: 100, bytes: 150 });
  assertEquals(readAll(() => ({ shared: listing })), [["a", "b"], ["c"], [
    "d",
  ]]);
});

Deno.test("Listing has the same pages whatever order a server lists in", () => {
  const names = ["e", "b", "d", "a", "c"];
  const pagesOf = (order: readonly string[]) => {
    const shared = new Listing("tools", items(order), { items: 2, bytes: 1e6 });
    return readAll(() => ({ shared }));
  };
  assertEquals(pagesOf(names.toReversed()), pagesOf(names));
});

Deno.test("Listing prepares each page once, for all clients", () => {
  const shared = new Listing("tools", items(["a", "b", "c", "d", "e"]), {
    items: 2,
    bytes: 1e6,
  });
  const bytesOf = (position?: PagePosition) => shared.page(position).parts[0];
  const middle = shared.page(undefined).next;
  assertStrictEquals(bytesOf(), bytesOf());
  assertStrictEquals(bytesOf(middle), bytesOf(middle));
  // One who comes from another state of the list is back on them a page later.
  const odd: PagePosition = { part: "shared", after: "a" };
  const next = shared.page(odd);
  assertEquals(namesIn(next), ["b"]);
  assertStrictEquals(bytesOf(next.next), bytesOf(middle));
});

const anyNames = fc.uniqueArray(fc.stringMatching(/^[a-e]{1,3}$/), {
  maxLength: 25,
});

Deno.test("no page is shown twice and nothing that stays is left out, whatever changes meanwhile", () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ shared: anyNames, own: anyNames }), {
        minLength: 1,
        maxLength: 8,
      }),
      fc.integer({ min: 1, max: 6 }),
      (states, size) => {
        const prepared = states.map(({ shared, own }) => ({
          shared: new Listing("tools", items(shared), {
            items: size,
            bytes: 1e6,
          }),
          own: items(own.map((name) => `own_${name}`)),
        }));
        const last = prepared.at(-1)!;
        const pages = readAll((page) => prepared[page] ?? last);
        const seen = pages.flat();
        assertEquals(seen.length, new Set(seen).size, "something came twice");
        for (const page of pages) {
          assert(page.length <= size, "a page is too long");
        }
        const passed = states.slice(0, pages.length);
        const stayed = (part: "shared" | "own", before = "") =>
          passed[0]![part].filter((name) =>
            passed.every((state) => state[part].includes(name))
          ).map((name) => before + name);
        for (const name of [...stayed("shared"), ...stayed("own", "own_")]) {
          assert(seen.includes(name), `${name} is left out`);
        }
      },
    ),
    { numRuns: 500 },
  );
});

Deno.test("sortKey() is short, and another for each name", () => {
  const long = "x".repeat(8_000);
  assertEquals(sortKey("a"), "a");
  assert(sortKey(long).length < 300);
  assert(sortKey(`${long}1`) !== sortKey(`${long}2`));
});
