import { assertEquals } from "@std/assert";
import { permissionRemedy } from "./permission_remedy.ts";

const compiled = (kind: string, to: string) =>
  `Requires ${kind} access${to}, specify the required permissions during ` +
  `compilation using \`deno compile --allow-${kind}\``;

for (
  const { name, text, want } of [
    {
      name: "a path",
      text: `Cannot read key: ${compiled("read", ' to "/a b/key"')}; sorry`,
      want: 'Cannot read key: Requires read access to "/a b/key", which this ' +
        "program was not built for (use a path in its directories, as " +
        "`--help` shows them, or build it with others: `deno task build " +
        "--help`); sorry",
    },
    {
      name: "a variable",
      text: compiled("env", ' to "OTHER"'),
      want:
        'Requires env access to "OTHER", which this program was not built ' +
        "for (build it with --variables OTHER, or give the value as a file)",
    },
    {
      name: "every variable",
      text: compiled("env", ""),
      want: "Requires env access, which this program was not built for " +
        "(build it with --variables NAME, or give the value as a file)",
    },
    {
      name: "a command",
      text: compiled("run", ' to "sh"'),
      want:
        'Requires run access to "sh", which this program was not built for ' +
        "(run it from its sources with `deno run` if it has to)",
    },
    {
      name: "two of them",
      text: `${compiled("env", ' to "A"')} and ${compiled("env", ' to "B"')}`,
      want:
        'Requires env access to "A", which this program was not built for ' +
        "(build it with --variables A, or give the value as a file) and " +
        'Requires env access to "B", which this program was not built for ' +
        "(build it with --variables B, or give the value as a file)",
    },
  ]
) {
  Deno.test(`permissionRemedy() names what to do about ${name}`, () => {
    assertEquals(permissionRemedy(text), want);
  });
}

for (
  const text of [
    'Requires read access to "/a", run again with the --allow-read flag',
    "connection refused",
    "",
  ]
) {
  Deno.test(`permissionRemedy() leaves ${JSON.stringify(text)} as it is`, () => {
    assertEquals(permissionRemedy(text), text);
  });
}
