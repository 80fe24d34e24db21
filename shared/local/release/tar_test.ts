import { assertEquals, assertThrows } from "@std/assert";
import { tarOf } from "./tar.ts";

const text = new TextEncoder();

Deno.test("tarOf() writes what tar reads: names, modes, contents of any size, the time", async () => {
  const dir = await Deno.makeTempDir();
  try {
    const files = [
      { path: "a/run", bytes: text.encode("#!/bin/sh\n"), executable: true },
      { path: "a/empty", bytes: new Uint8Array() },
      { path: "a/block", bytes: new Uint8Array(512).fill(65) },
      { path: "a/more", bytes: new Uint8Array(1025).fill(66) },
    ];
    await Deno.writeFile(`${dir}/x.tar`, tarOf(files, 1_700_000_000));
    const { success, stdout } = await new Deno.Command("tar", {
      args: ["-tvf", `${dir}/x.tar`],
      env: { TZ: "UTC", LC_ALL: "C" },
    }).output();
    assertEquals(success, true);
    assertEquals(
      new TextDecoder().decode(stdout).trim().replaceAll(/ +/g, " ").split(
        "\n",
      ),
      [
        "-rwxr-xr-x root/root 10 2023-11-14 22:13 a/run",
        "-rw-r--r-- root/root 0 2023-11-14 22:13 a/empty",
        "-rw-r--r-- root/root 512 2023-11-14 22:13 a/block",
        "-rw-r--r-- root/root 1025 2023-11-14 22:13 a/more",
      ],
    );
    await new Deno.Command("tar", { args: ["-xf", `${dir}/x.tar`], cwd: dir })
      .output();
    for (const { path, bytes } of files) {
      assertEquals(await Deno.readFile(`${dir}/${path}`), bytes);
    }
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

for (const path of ["", "/a", "a".repeat(101), "a b", "ü"]) {
  Deno.test(`tarOf() refuses the path ${JSON.stringify(path)}`, () => {
    assertThrows(
      () => tarOf([{ path, bytes: new Uint8Array() }], 0),
      RangeError,
      "its path will not do",
    );
  });
}
