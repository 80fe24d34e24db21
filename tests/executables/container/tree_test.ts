import { assertEquals } from "@std/assert";
import { changesOf, treeOf } from "./tree.ts";

for (
  const { what, change, want } of [
    { what: "nothing", change: () => {}, want: [] },
    {
      what: "a file that came and went",
      change: (dir: string) => {
        Deno.writeTextFileSync(`${dir}/tmp/new`, "");
        Deno.removeSync(`${dir}/tmp/new`);
      },
      want: ["/tmp"],
    },
    {
      what: "a file that stays",
      change: (dir: string) => Deno.writeTextFileSync(`${dir}/tmp/new`, ""),
      want: ["/tmp", "/tmp/new"],
    },
    {
      what: "new content of the same size",
      change: (dir: string) => Deno.writeTextFileSync(`${dir}/etc/file`, "b"),
      want: ["/etc/file"],
    },
    {
      what: "another mode",
      change: (dir: string) => Deno.chmodSync(`${dir}/etc/file`, 0o600),
      want: ["/etc/file"],
    },
  ]
) {
  Deno.test(`changesOf() tells of ${what}`, async () => {
    const dir = await Deno.makeTempDir();
    try {
      await Deno.mkdir(`${dir}/tmp`);
      await Deno.mkdir(`${dir}/etc`);
      await Deno.writeTextFile(`${dir}/etc/file`, "a");
      const before = await treeOf(dir);
      change(dir);
      assertEquals(changesOf(before, await treeOf(dir)), want);
    } finally {
      await Deno.remove(dir, { recursive: true });
    }
  });
}
