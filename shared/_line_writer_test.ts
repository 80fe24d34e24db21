import { assertEquals } from "@std/assert";
import { createLineWriter } from "./_line_writer.ts";

/** A descriptor with room for some bytes, as a pipe without a reader has. */
class Pipe {
  text = "";
  room = Infinity;
  closed = false;
  pauses = 0;

  write = createLineWriter({
    writeSync: (bytes) => {
      if (this.closed) throw new Deno.errors.BrokenPipe("closed");
      const count = Math.min(bytes.length, this.room);
      if (count === 0) throw new Deno.errors.WouldBlock("full");
      this.room -= count;
      this.text += new TextDecoder().decode(bytes.subarray(0, count));
      return count;
    },
    lost: (count) => `lost ${count}`,
    pause: () => this.onPause(),
  });

  onPause: () => void = () => this.pauses++;
}

Deno.test("createLineWriter() goes on where a write was short", () => {
  const pipe = new Pipe();
  pipe.room = 3;
  pipe.onPause = () => pipe.room = 3;
  pipe.write("abcdefgh");
  assertEquals(pipe.text, "abcdefgh\n");
});

Deno.test("createLineWriter() waits for a full pipe once, then drops and counts", () => {
  const pipe = new Pipe();
  pipe.write("a");
  pipe.room = 0;
  pipe.write("b");
  const waited = pipe.pauses;
  assertEquals(waited > 0 && waited < 100, true);
  pipe.write("c");
  pipe.write("d");
  assertEquals(pipe.pauses, waited);
  pipe.room = Infinity;
  pipe.write("e");
  assertEquals(pipe.text, "a\nlost 3\ne\n");
});

Deno.test("createLineWriter() begins a new line after half of one", () => {
  const pipe = new Pipe();
  pipe.room = 2;
  pipe.write("abcd");
  pipe.room = Infinity;
  pipe.write("e");
  assertEquals(pipe.text, "ab\nlost 1\ne\n");
});

Deno.test("createLineWriter() falls silent on a closed pipe", () => {
  const pipe = new Pipe();
  pipe.write("a");
  pipe.closed = true;
  pipe.write("b");
  pipe.closed = false;
  pipe.write("c");
  assertEquals(pipe.text, "a\n");
});
