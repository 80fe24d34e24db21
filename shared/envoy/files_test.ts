import { assertEquals, assertRejects } from "@std/assert";
import { replaceFile } from "./files.ts";

async function inFolder(test: (dir: string) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir();
  try {
    await test(dir);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

async function namesIn(dir: string): Promise<string[]> {
  return (await Array.fromAsync(Deno.readDir(dir))).map(({ name }) => name);
}

Deno.test("replaceFile() leaves one whole text where several write at a time", async () => {
  await inFolder(async (dir) => {
    const texts = ["a", "b", "c", "d"].map((char) => char.repeat(1 << 20));
    await Promise.all(texts.map((text) => replaceFile(`${dir}/x.json`, text)));
    const found = await Deno.readTextFile(`${dir}/x.json`);
    assertEquals(texts.includes(found), true);
    assertEquals(await namesIn(dir), ["x.json"]);
  });
});

for (const mode of [undefined, 0o640]) {
  Deno.test(`replaceFile() writes with mode ${mode?.toString(8) ?? "600"}`, async () => {
    await inFolder(async (dir) => {
      await replaceFile(`${dir}/x.json`, "text", mode);
      const info = await Deno.stat(`${dir}/x.json`);
      assertEquals((info.mode ?? 0) & 0o777, mode ?? 0o600);
    });
  });
}

Deno.test("replaceFile() leaves nothing behind where it fails", async () => {
  await inFolder(async (dir) => {
    await Deno.mkdir(`${dir}/x.json/full`, { recursive: true });
    await assertRejects(() => replaceFile(`${dir}/x.json`, "text"));
    assertEquals(await namesIn(dir), ["x.json"]);
  });
});
