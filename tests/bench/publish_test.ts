import { assert, assertEquals } from "@std/assert";
import { publish, PUBLISHED } from "./publish.ts";
import { callCell, result } from "./report/_testing.ts";

Deno.test("publish() puts results into documents as `deno fmt` would, twice the same", async () => {
  const dir = await Deno.makeTempDir({ prefix: "bench-publish-" });
  try {
    await Deno.mkdir(`${dir}/tests/bench`, { recursive: true });
    for (
      const [name, marker] of [["readme", "short"], [
        "details",
        "full",
      ]] as const
    ) {
      await Deno.writeTextFile(
        `${dir}/${PUBLISHED[name]}`,
        `# Before\n\n<!-- bench:${marker} -->\n<!-- /bench:${marker} -->\n\nBehind.\n`,
      );
    }
    const read = () =>
      Promise.all(
        Object.values(PUBLISHED).map((path) =>
          Deno.readTextFile(`${dir}/${path}`)
        ),
      );
    const run = result(callCell("call/session/prefixed/300B/1"));
    await publish(run, dir);
    const [readme = "", details = "", picture = ""] = await read();
    assert(readme.startsWith("# Before\n\n<!-- bench:short -->\n\nMeasured"));
    assert(readme.endsWith("<!-- /bench:short -->\n\nBehind.\n"), readme);
    assert(/^\| call {10,}\| direct \|/m.test(readme), readme);
    assert(details.includes("### Goals"), details);
    assert(picture.startsWith("<svg "), picture);
    await publish(run, dir);
    assertEquals(await read(), [readme, details, picture]);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
