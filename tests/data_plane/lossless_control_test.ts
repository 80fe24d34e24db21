/**
 * That the comparison of `lossless_test.ts` can fail: a proxy that changes one
 * thing in a conversation makes the recordings differ, and one that changes
 * nothing does not. No gateway takes part.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { startEveryFeatureV1 } from "../fixtures/every_feature_v1.ts";
import { proves, shared } from "../support/proves.ts";
import {
  type LineChange,
  startTap,
  type TapOptions,
  type TappedRequest,
} from "../support/tap.ts";
import { compare, lineDifferences, type Recording } from "./_compare.ts";
import { converse, featuresOf } from "./_conversation.ts";
import { heardBy } from "./_server_side.ts";
import type { Feature } from "./_steps.ts";

interface Recorded extends Recording {
  readonly requests: readonly TappedRequest[];
}

/** Holds the conversation through a proxy, taken for a gateway where it lies. */
async function record(
  tap: Omit<TapOptions, "target">,
  gateway: boolean,
): Promise<Recorded> {
  await using server = startEveryFeatureV1({ resumable: true });
  await using proxy = startTap({ ...tap, target: server.url });
  const revision = "2025-11-25";
  const transcript = await converse({
    url: proxy.url,
    revision,
    prefix: "",
    features: new Set<Feature>([
      "asked",
      "silent when cancelled",
      "resumable",
      ...featuresOf(revision),
    ]),
    patienceMs: 2000,
  });
  const side = { gateway, prefix: "" };
  return { transcript, side, requests: proxy.requests };
}

const honest = shared(() => record({}, false));

proves("two recordings of one conversation do not differ", async () => {
  const direct = honest();
  const again = await record({}, true);
  const ownWords = [...compare(direct, again)];
  // The server's own codes are not the specification's.
  assertEquals(ownWords.filter((line) => !line.startsWith(" ")), [
    "a call without a name / POST tools/call:",
  ]);
  assertEquals(
    lineDifferences("", heardBy(direct.requests), heardBy(again.requests)),
    [],
  );
});

/** Changes the messages of a stream, by their text. */
function messages(change: (json: string) => readonly string[]): LineChange {
  return (line) => {
    if (!line.startsWith("data: {")) return [line];
    const [first, ...more] = change(line.slice(6, -1));
    if (first === undefined) return ["data: \n"];
    return [
      `data: ${first}\n`,
      ...more.map((json) => `\ndata: ${json}\n`),
    ];
  };
}

/** Replaces text, which must be there somewhere. */
function replacing(pattern: RegExp, by: string): () => LineChange {
  return () => messages((json) => [json.replace(pattern, by)]);
}

const LIES: readonly {
  readonly name: string;
  readonly tamper: () => LineChange;
  /** The step in which it shows. */
  readonly step: string;
}[] = [
  {
    name: "leaves _meta of results out",
    tamper: () =>
      messages((json) => {
        const message = JSON.parse(json);
        delete message.result?._meta;
        return [JSON.stringify(message)];
      }),
    step: "resources",
  },
  {
    name: "leaves an unknown member out",
    tamper: replacing(/,"vendor":\{"id":4[^}]*\}\}/, ""),
    step: "a result with structured content and unknown members",
  },
  {
    name: "reads and writes numbers as doubles",
    tamper: () => messages((json) => [JSON.stringify(JSON.parse(json))]),
    step: "numbers that no double holds",
  },
  {
    name: "writes 1.0 as 1",
    tamper: replacing(/1\.0,/, "1,"),
    step: "list tools",
  },
  {
    name: "sorts the members of a result",
    tamper: replacing(
      /"z":\{"1":2,"9":1\},"a":\[\[\]\]/,
      '"a":[[]],"z":{"1":2,"9":1}',
    ),
    step: "a result with structured content and unknown members",
  },
  {
    name: "brings notifications in another order",
    tamper: () => {
      let held: string | undefined;
      return messages((json) => {
        if (!json.includes("notifications/progress")) return [json];
        if (held === undefined) {
          held = json;
          return [];
        }
        const later = held;
        held = undefined;
        return [json, later];
      });
    },
    step: "progress with a string for a token",
  },
  {
    name: "brings a notification twice",
    tamper: () =>
      messages((json) =>
        json.includes("notifications/resources/updated") ? [json, json] : [json]
      ),
    step: "GET stream",
  },
  {
    name: "swallows a notification",
    tamper: () =>
      messages((json) => json.includes('"progress":2.5') ? [] : [json]),
    step: "progress with a number for a token",
  },
  {
    name: "swallows a withdrawal",
    tamper: () =>
      messages((json) =>
        json.includes("notifications/cancelled") ? [] : [json]
      ),
    step: "withdrawn by the server, on the call's stream",
  },
  {
    name: "withdraws another request",
    tamper: replacing(/"requestId":\d+,"reason"/, '"requestId":0,"reason"'),
    step: "withdrawn by the server, on the call's stream",
  },
  {
    name: "makes a text of a number for an id",
    tamper: replacing(/"id":0\}$/, '"id":"0"}'),
    step: "ids of every kind",
  },
  {
    name: "makes a text of a number for a token",
    tamper: replacing(/"progressToken":7/, '"progressToken":"7"'),
    step: "progress with a number for a token",
  },
  {
    name: "rounds an error off to another",
    tamper: replacing(/-32050/, "-32603"),
    step: "an error of the protocol",
  },
  {
    name: "leaves an error's data out",
    tamper: replacing(/,"data":\{"nested".*?\}\],"text":"x"\}/, ""),
    step: "an error of the protocol",
  },
  {
    name: "changes a tool's description",
    tamper: replacing(
      /Its result is the argument/,
      "Its result is an argument",
    ),
    step: "list tools",
  },
  {
    name: "leaves a prompt out of a list",
    tamper: replacing(/\{"name":"plain","description":"[^"]*"\},/, ""),
    step: "list prompts",
  },
  {
    name: "has no event ids",
    tamper: () => (line) => line.startsWith("id: ") ? [] : [line],
    step: "ids of every kind",
  },
  {
    name: "declares less than the server",
    tamper: replacing(/,"logging":\{\}/, ""),
    step: "initialize",
  },
];

for (const { name, tamper, step } of LIES) {
  proves(`a proxy that ${name} is found out`, async () => {
    const lie = await record({ tamper }, true);
    const found = compare(honest(), lie).filter((line) =>
      line.startsWith(`${step} /`)
    );
    assert(found.length > 0, compare(honest(), lie).join("\n"));
  });
}

const REQUESTS: readonly {
  readonly name: string;
  readonly tamperRequest: (body: string) => string;
}[] = [
  {
    name: "leaves _meta of requests out",
    tamperRequest: (body) =>
      body.replace(',"_meta":{"example.com/prompt":"plain"}', ""),
  },
  {
    name: "rounds a number that it passes on",
    tamperRequest: (body) =>
      body.replace('"y":9007199254740993', '"y":9007199254740992'),
  },
  {
    name: "swallows a member of the client's answer",
    tamperRequest: (body) => body.replace(',"vendor":[null]', ""),
  },
  {
    name: "makes a text of the id that it answers",
    tamperRequest: (body) =>
      body.replace(
        /"id":(\d+),"result":\{"roots"/,
        '"id":"$1","result":{"roots"',
      ),
  },
];

for (const { name, tamperRequest } of REQUESTS) {
  proves(`a proxy that ${name} is found out`, async () => {
    const lie = await record({ tamperRequest }, true);
    const [wanted, got] = [honest(), lie].map(({ requests }) =>
      heardBy(requests)
    );
    assert(lineDifferences("the server", wanted, got).length > 0);
  });
}
