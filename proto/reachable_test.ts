import {
  create,
  type DescMessage,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import {
  EnumValueOptionsSchema,
  FieldOptionsSchema,
  FileDescriptorProtoSchema,
  FileDescriptorSetSchema,
  MessageOptionsSchema,
} from "@bufbuild/protobuf/wkt";
import { assertEquals, assertThrows } from "@std/assert";
import { reachable } from "./reachable.ts";

/** Options with an annotation: an extension, which is an unknown field. */
function annotated<D extends DescMessage>(
  schema: D,
  options: MessageInitShape<D>,
): MessageShape<D> {
  const message = create(schema, options);
  message.$unknown = [{ no: 1071, wireType: 0, data: new Uint8Array([1]) }];
  return message;
}

const FILES: MessageInitShape<typeof FileDescriptorProtoSchema>[] = [
  {
    name: "annotations.proto",
    package: "notes",
    messageType: [{ name: "Rule" }],
    extension: [{ name: "rule", number: 1071 }],
  },
  {
    name: "common.proto",
    package: "common",
    dependency: ["annotations.proto"],
    options: { goPackage: "common" },
    messageType: [
      {
        name: "Header",
        options: annotated(MessageOptionsSchema, { deprecated: true }),
        field: [
          { name: "inner", typeName: ".common.Outer.Inner" },
          { name: "again", typeName: ".common.Header" },
        ],
      },
      {
        name: "Outer",
        nestedType: [{ name: "Inner" }, { name: "Other" }],
        field: [{ name: "mode", typeName: ".common.Mode" }],
      },
      { name: "Unused", field: [{ name: "x", typeName: ".notes.Rule" }] },
    ],
    enumType: [{
      name: "Mode",
      value: [{ name: "A", options: annotated(EnumValueOptionsSchema, {}) }],
    }, {
      name: "UnusedMode",
    }],
  },
  {
    name: "service.proto",
    package: "service",
    dependency: ["annotations.proto", "common.proto"],
    messageType: [
      {
        name: "Request",
        field: [{
          name: "header",
          typeName: ".common.Header",
          options: annotated(FieldOptionsSchema, { packed: true }),
        }],
      },
      { name: "Response" },
      { name: "Unused" },
    ],
    service: [{
      name: "Service",
      method: [{
        name: "Do",
        inputType: ".service.Request",
        outputType: ".service.Response",
      }],
    }],
  },
];

function encoded(
  file: MessageInitShape<typeof FileDescriptorProtoSchema>[],
): Uint8Array {
  return toBinary(
    FileDescriptorSetSchema,
    create(FileDescriptorSetSchema, { file }),
  );
}

Deno.test("reachable() keeps what the service refers to, and nothing of annotations", () => {
  const { file: [common, service, ...others] } = fromBinary(
    FileDescriptorSetSchema,
    reachable(encoded(FILES), "service.proto"),
  );
  assertEquals(others, []);
  assertEquals(service?.dependency, ["common.proto"]);
  assertEquals(service?.messageType.map(({ name }) => name), [
    "Request",
    "Response",
  ]);
  assertEquals(service?.service.map(({ name }) => name), ["Service"]);
  const options = service?.messageType[0]?.field[0]?.options;
  assertEquals([options?.packed, options?.$unknown], [true, undefined]);

  assertEquals(common?.name, "common.proto");
  assertEquals(common?.dependency, []);
  assertEquals(common?.options, undefined);
  assertEquals(
    common?.messageType.map(({ name, nestedType }) => [
      name,
      ...nestedType.map((one) => one.name),
    ]),
    [["Header"], ["Outer", "Inner"]],
  );
  assertEquals(common?.messageType[0]?.options?.deprecated, true);
  assertEquals(common?.messageType[0]?.options?.$unknown, undefined);
  assertEquals(common?.enumType.map(({ name }) => name), ["Mode"]);
  assertEquals(common?.enumType[0]?.value[0]?.options?.$unknown, undefined);
});

Deno.test("reachable() names a type that is nowhere", () => {
  assertThrows(
    () => reachable(encoded(FILES.slice(2)), "service.proto"),
    Error,
    "Cannot find the type .common.Header in any file",
  );
});
