import { assertEquals, assertThrows } from "@std/assert";
import { BuildError } from "./build_error.ts";
import { runtimeOf } from "./deno_pair.ts";

/** An ELF header whose two section headers of 64 bytes begin at 100. */
function elf(length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1]);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0x28, 100n, true);
  view.setUint16(0x3a, 64, true);
  view.setUint16(0x3c, 2, true);
  return bytes;
}

Deno.test("runtimeOf() keeps everything up to the end of the section headers", () => {
  const executable = elf(500).fill(7, 100);
  assertEquals(runtimeOf(executable), executable.slice(0, 228));
});

for (
  const { name, bytes } of [
    { name: "is empty", bytes: new Uint8Array() },
    {
      name: "is a script",
      bytes: new TextEncoder().encode("#!/bin/sh\n".repeat(20)),
    },
    { name: "ends before its section headers", bytes: elf(227) },
    { name: "is for 32 bits", bytes: elf(500).fill(1, 4, 5) },
    { name: "is big-endian", bytes: elf(500).fill(2, 5, 6) },
  ]
) {
  Deno.test(`runtimeOf() refuses what ${name}`, () => {
    assertThrows(() => runtimeOf(bytes), BuildError, "Remedy: set DENORT_BIN");
  });
}
