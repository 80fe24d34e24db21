/**
 * Holds the generated TypeScript against bytes written by hand from Envoy's API
 * documentation, so that a wrong or outdated generation fails here and not at
 * run time, and checks what the generator would write and remove.
 *
 * @module
 */

import {
  create,
  type DescMessage,
  fromBinary,
  toBinary,
} from "@bufbuild/protobuf";
import type { Message, MessageInitShape } from "@bufbuild/protobuf";
import { assert, assertEquals } from "@std/assert";
import config from "../deno.json" with { type: "json" };
import { isGenerated, planChanges } from "./gen.ts";
import { HeaderValueOption_HeaderAppendAction } from "./gen/envoy/config/core/v3/base_pb.ts";
import {
  ProcessingMode_BodySendMode,
  ProcessingMode_HeaderSendMode,
} from "./gen/envoy/extensions/filters/http/ext_proc/v3/processing_mode_pb.ts";
import {
  CommonResponse_ResponseStatus,
  ExternalProcessor,
  ProcessingRequestSchema,
  ProcessingResponseSchema,
} from "./gen/envoy/service/ext_proc/v3/external_processor_pb.ts";
import { StatusCode } from "./gen/envoy/type/v3/http_status_pb.ts";

const utf8 = new TextEncoder();

/** A length-delimited field, as https://protobuf.dev/programming-guides/encoding/ has it. */
function bytes(field: number, ...content: (string | number[])[]): number[] {
  const inner = content.flatMap((c) =>
    typeof c === "string" ? [...utf8.encode(c)] : c
  );
  return [...varint(field << 3 | 2), ...varint(inner.length), ...inner];
}

/** An integer, enum or boolean field. */
function number(field: number, value: number): number[] {
  return [...varint(field << 3), ...varint(value)];
}

function varint(value: number): number[] {
  return value < 0x80 ? [value] : [value & 0x7f | 0x80, ...varint(value >>> 7)];
}

/** A message and the bytes that it must be on the wire. */
interface Example<D extends DescMessage> {
  readonly name: string;
  readonly message: MessageInitShape<D>;
  readonly wire: number[];
}

const requests: Example<typeof ProcessingRequestSchema>[] = [
  {
    name: "request_headers",
    message: {
      request: {
        case: "requestHeaders",
        value: {
          headers: {
            headers: [
              { key: ":path", rawValue: utf8.encode("/mcp") },
              { key: ":method", rawValue: utf8.encode("POST") },
            ],
          },
          endOfStream: true,
        },
      },
    },
    wire: bytes(
      2,
      bytes(
        1,
        bytes(1, bytes(1, ":path"), bytes(3, "/mcp")),
        bytes(1, bytes(1, ":method"), bytes(3, "POST")),
      ),
      number(3, 1),
    ),
  },
  {
    name: "request_body",
    message: {
      request: {
        case: "requestBody",
        value: { body: utf8.encode('{"id":1}'), endOfStream: true },
      },
    },
    wire: bytes(4, bytes(1, '{"id":1}'), number(2, 1)),
  },
  {
    name:
      "response_headers with metadata_context, attributes and protocol_config",
    message: {
      request: {
        case: "responseHeaders",
        value: {
          headers: {
            headers: [{ key: ":status", rawValue: utf8.encode("404") }],
          },
        },
      },
      metadataContext: { filterMetadata: { mcp: { session: "s" } } },
      attributes: { "envoy.filters.http.ext_proc": { "source.address": "a" } },
      protocolConfig: {
        requestBodyMode: ProcessingMode_BodySendMode.FULL_DUPLEX_STREAMED,
      },
    },
    wire: [
      ...bytes(3, bytes(1, bytes(1, bytes(1, ":status"), bytes(3, "404")))),
      ...bytes(8, bytes(1, bytes(1, "mcp"), bytes(2, struct("session", "s")))),
      ...bytes(
        9,
        bytes(1, "envoy.filters.http.ext_proc"),
        bytes(2, struct("source.address", "a")),
      ),
      ...bytes(11, number(1, 4)),
    ],
  },
  {
    name: "response_body with observability_mode",
    message: {
      request: { case: "responseBody", value: { body: utf8.encode("x") } },
      observabilityMode: true,
    },
    wire: [...bytes(5, bytes(1, "x")), ...number(10, 1)],
  },
  {
    name: "request_trailers",
    message: {
      request: {
        case: "requestTrailers",
        value: { trailers: { headers: [{ key: "t", value: "v" }] } },
      },
    },
    wire: bytes(6, bytes(1, bytes(1, bytes(1, "t"), bytes(2, "v")))),
  },
];

const responses: Example<typeof ProcessingResponseSchema>[] = [
  {
    name: "request_headers that sets and removes headers and clears the route",
    message: {
      response: {
        case: "requestHeaders",
        value: {
          response: {
            headerMutation: {
              setHeaders: [{
                header: { key: "x", rawValue: utf8.encode("1") },
                appendAction: HeaderValueOption_HeaderAppendAction
                  .OVERWRITE_IF_EXISTS_OR_ADD,
              }],
              removeHeaders: ["y"],
            },
            clearRouteCache: true,
          },
        },
      },
    },
    wire: bytes(
      1,
      bytes(
        1,
        bytes(
          2,
          bytes(1, bytes(1, bytes(1, "x"), bytes(3, "1")), number(3, 2)),
          bytes(2, "y"),
        ),
        number(5, 1),
      ),
    ),
  },
  {
    name: "request_body that replaces the body and continues",
    message: {
      response: {
        case: "requestBody",
        value: {
          response: {
            status: CommonResponse_ResponseStatus.CONTINUE_AND_REPLACE,
            bodyMutation: {
              mutation: { case: "body", value: utf8.encode("{}") },
            },
          },
        },
      },
    },
    wire: bytes(3, bytes(1, number(1, 1), bytes(3, bytes(1, "{}")))),
  },
  {
    name: "response_body that streams a chunk",
    message: {
      response: {
        case: "responseBody",
        value: {
          response: {
            bodyMutation: {
              mutation: {
                case: "streamedResponse",
                value: { body: utf8.encode("c"), endOfStream: true },
              },
            },
          },
        },
      },
    },
    wire: bytes(4, bytes(1, bytes(3, bytes(3, bytes(1, "c"), number(2, 1))))),
  },
  {
    name: "immediate_response",
    message: {
      response: {
        case: "immediateResponse",
        value: {
          status: { code: StatusCode.NotFound },
          headers: {
            setHeaders: [{
              header: {
                key: "content-type",
                rawValue: utf8.encode("application/json"),
              },
            }],
          },
          body: utf8.encode('{"jsonrpc":"2.0"}'),
          details: "mcp_unknown_session",
        },
      },
    },
    wire: bytes(
      7,
      bytes(1, number(1, 404)),
      bytes(
        2,
        bytes(
          1,
          bytes(1, bytes(1, "content-type"), bytes(3, "application/json")),
        ),
      ),
      bytes(3, '{"jsonrpc":"2.0"}'),
      bytes(5, "mcp_unknown_session"),
    ),
  },
  {
    name: "request_headers with mode_override",
    message: {
      response: { case: "requestHeaders", value: {} },
      modeOverride: {
        requestHeaderMode: ProcessingMode_HeaderSendMode.SEND,
        responseHeaderMode: ProcessingMode_HeaderSendMode.SKIP,
        requestBodyMode: ProcessingMode_BodySendMode.BUFFERED,
        responseBodyMode: ProcessingMode_BodySendMode.STREAMED,
        requestTrailerMode: ProcessingMode_HeaderSendMode.SKIP,
        responseTrailerMode: ProcessingMode_HeaderSendMode.SKIP,
      },
    },
    wire: [
      ...bytes(1),
      ...bytes(
        9,
        number(1, 1),
        number(2, 2),
        number(3, 2),
        number(4, 1),
        number(5, 2),
        number(6, 2),
      ),
    ],
  },
  {
    name: "response_headers with dynamic_metadata",
    message: {
      response: { case: "responseHeaders", value: {} },
      dynamicMetadata: { session: "abc" },
    },
    wire: [...bytes(2), ...bytes(8, struct("session", "abc"))],
  },
  {
    name: "request_trailers with override_message_timeout",
    message: {
      response: { case: "requestTrailers", value: {} },
      overrideMessageTimeout: { seconds: 300n },
    },
    wire: [...bytes(5), ...bytes(10, number(1, 300))],
  },
];

/** The content of a google.protobuf.Struct with one string. */
function struct(key: string, value: string): number[] {
  return bytes(1, bytes(1, key), bytes(2, bytes(3, value)));
}

/** Registers both directions of each example as a test. */
function testExamples<D extends DescMessage>(
  schema: D,
  examples: readonly Example<D>[],
): void {
  for (const { name, message: init, wire } of examples) {
    const message: Message = create(schema, init);
    Deno.test(`toBinary() writes a ${schema.name} of ${name}`, () => {
      assertEquals([...toBinary<DescMessage>(schema, message)], wire);
    });
    Deno.test(`fromBinary() reads a ${schema.name} of ${name}`, () => {
      assertEquals<Message>(fromBinary(schema, Uint8Array.from(wire)), message);
    });
  }
}

testExamples(ProcessingRequestSchema, requests);
testExamples(ProcessingResponseSchema, responses);

Deno.test("fromBinary() keeps the fields it does not know", () => {
  const wire = [...bytes(2), ...number(999, 1)];
  const message = fromBinary(ProcessingRequestSchema, Uint8Array.from(wire));
  assertEquals([...toBinary(ProcessingRequestSchema, message)], wire);
});

Deno.test("ExternalProcessor is the service that Envoy calls", () => {
  const { process } = ExternalProcessor.method;
  assertEquals(
    `/${ExternalProcessor.typeName}/${process.name}`,
    "/envoy.service.ext_proc.v3.ExternalProcessor/Process",
  );
  assertEquals(process.methodKind, "bidi_streaming");
  assertEquals(process.input, ProcessingRequestSchema);
  assertEquals(process.output, ProcessingResponseSchema);
});

/** The generated files in the checkout, relative to this folder. */
async function generatedFiles(folder = ""): Promise<string[]> {
  const paths: string[] = [];
  for await (
    const entry of Deno.readDir(new URL(`./${folder}`, import.meta.url))
  ) {
    const path = folder + entry.name;
    if (entry.isDirectory) paths.push(...await generatedFiles(`${path}/`));
    else if (isGenerated(path)) paths.push(path);
  }
  return paths.sort();
}

/** A descriptor of a file, as its generated module exports it. */
interface DescribedFile {
  readonly name: string;
  readonly dependencies: readonly DescribedFile[];
}

Deno.test("the TypeScript is of the service's file and what that refers to, each with its .proto", async () => {
  const described = new Set<string>();
  const describe = ({ name, dependencies }: DescribedFile) => {
    if (!name.startsWith("google/")) described.add(name);
    dependencies.forEach(describe);
  };
  describe(ExternalProcessor.file);
  const paths = await generatedFiles();
  const names = [...described].sort();
  assertEquals(
    paths.filter((path) => path.endsWith("_pb.ts")),
    names.map((name) => `gen/${name}_pb.ts`),
  );
  for (const name of names) assert(paths.includes(`${name}.proto`), name);
});

Deno.test("the TypeScript was generated for the pinned run-time library", async () => {
  const path = "./gen/envoy/service/ext_proc/v3/external_processor_pb.ts";
  const text = await Deno.readTextFile(new URL(path, import.meta.url));
  const generator = text.match(/^\/\/ @generated by protoc-gen-es v(\S+)/)?.[1];
  assertEquals(
    config.imports["@bufbuild/protobuf"],
    `npm:@bufbuild/protobuf@${generator}`,
  );
});

const ownership: { path: string; want: boolean }[] = [
  { path: "envoy/type/v3/percent.proto", want: true },
  { path: "gen/envoy/type/v3/percent_pb.ts", want: true },
  { path: "percent_pb.ts", want: false },
  { path: "gen/notes.md", want: false },
  { path: "gen.ts", want: false },
  { path: "tools/go.sum", want: false },
];
for (const { path, want } of ownership) {
  Deno.test(`isGenerated() ${want ? "claims" : "leaves alone"} ${path}`, () => {
    assertEquals(isGenerated(path), want);
  });
}

Deno.test("planChanges() writes what is new or differs and removes what is stale", () => {
  const present = new Map([["same", "1"], ["old", "2"], ["differs", "3"]]);
  const wanted = new Map([["same", "1"], ["new", "4"], ["differs", "5"]]);
  assertEquals(planChanges(present, wanted), {
    write: ["differs", "new"],
    remove: ["old"],
  });
});
