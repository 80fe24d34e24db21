/**
 * Cuts descriptors down to what one service speaks: its messages, what these
 * refer to, nothing else, and no annotations. Each descriptor is decoded when a
 * program starts, whether it is used or not: of all that the external
 * processor's file imports, that would be most of the router's time to start.
 * Pure.
 *
 * @module
 */

import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  type DescriptorProto,
  type EnumDescriptorProto,
  type FileDescriptorProto,
  FileDescriptorSetSchema,
} from "@bufbuild/protobuf/wkt";

/** A type by its full name, with a dot before it as in descriptors. */
interface Found {
  readonly file: string;
  readonly message: DescriptorProto | undefined;
  /** Full name of the message that it is declared in. */
  readonly outer: string | undefined;
}

/**
 * Takes what the services of one file need out of a set of descriptors.
 *
 * @param set A `google.protobuf.FileDescriptorSet` of all files, each after
 * those that it imports, encoded.
 * @param root Name of the file of the services.
 * @returns The set that is needed, in the same order.
 * @throws {Error} If the set lacks a type that is referred to.
 */
export function reachable(
  set: Uint8Array,
  root: string,
): Uint8Array<ArrayBuffer> {
  const { file: files } = fromBinary(FileDescriptorSetSchema, set);
  const types = typesOf(files);
  const wanted = new Set<string>();
  const want = (name: string) => {
    if (wanted.has(name)) return;
    const found = types.get(name);
    if (found === undefined) {
      throw new Error(`Cannot find the type ${name} in any file`);
    }
    wanted.add(name);
    if (found.outer !== undefined) want(found.outer);
    for (const { typeName } of found.message?.field ?? []) {
      if (typeName !== "") want(typeName);
    }
  };
  for (const { name, service } of files) {
    if (name !== root) continue;
    for (const { inputType, outputType } of service.flatMap((s) => s.method)) {
      want(inputType);
      want(outputType);
    }
  }
  const needed = new Set([...wanted].map((name) => types.get(name)!.file));
  const kept = files.filter(({ name }) => name === root || needed.has(name));
  for (const file of kept) cut(file, file.name === root, wanted, types);
  return toBinary(
    FileDescriptorSetSchema,
    create(FileDescriptorSetSchema, { file: kept }),
  );
}

function cut(
  file: FileDescriptorProto,
  isRoot: boolean,
  wanted: ReadonlySet<string>,
  types: ReadonlyMap<string, Found>,
): void {
  // Names for other languages, and annotations.
  delete file.options;
  file.extension = [];
  if (!isRoot) file.service = [];
  const scope = `.${file.package}`;
  file.messageType = keep(file.messageType, scope, wanted);
  file.enumType = keep(file.enumType, scope, wanted);
  const imports = new Set<string>();
  const refer = (typeName: string) => {
    const { file: from } = types.get(typeName)!;
    if (from !== file.name) imports.add(from);
  };
  for (const message of file.messageType) cutMessage(message);
  for (const one of file.enumType) cutEnum(one);
  for (const service of file.service) {
    delete service.options;
    for (const method of service.method) {
      delete method.options;
      refer(method.inputType);
      refer(method.outputType);
    }
  }
  file.dependency = file.dependency.filter((name) => imports.has(name));
  // They name dependencies by number. None of Envoy's are public or weak.
  file.publicDependency = [];
  file.weakDependency = [];

  function cutMessage(message: DescriptorProto, outer = scope): void {
    const name = `${outer}.${message.name}`;
    message.extension = [];
    message.nestedType = keep(message.nestedType, name, wanted);
    message.enumType = keep(message.enumType, name, wanted);
    bare(message.options);
    for (const field of message.field) {
      bare(field.options);
      if (field.typeName !== "") refer(field.typeName);
    }
    for (const oneof of message.oneofDecl) delete oneof.options;
    for (const inner of message.nestedType) cutMessage(inner, name);
    for (const inner of message.enumType) cutEnum(inner);
  }
}

function cutEnum(one: EnumDescriptorProto): void {
  bare(one.options);
  for (const value of one.value) bare(value.options);
}

/** Removes extensions: what an option means to protobuf itself stays. */
function bare(options: { $unknown?: unknown } | undefined): void {
  if (options !== undefined) delete options.$unknown;
}

function keep<T extends { readonly name: string }>(
  declared: readonly T[],
  scope: string,
  wanted: ReadonlySet<string>,
): T[] {
  return declared.filter(({ name }) => wanted.has(`${scope}.${name}`));
}

function typesOf(
  files: readonly FileDescriptorProto[],
): ReadonlyMap<string, Found> {
  const types = new Map<string, Found>();
  for (const { name: file, package: scope, messageType, enumType } of files) {
    const add = (
      outer: string | undefined,
      messages: readonly DescriptorProto[],
      enums: readonly EnumDescriptorProto[],
    ) => {
      const prefix = outer ?? `.${scope}`;
      for (const { name } of enums) {
        types.set(`${prefix}.${name}`, { file, message: undefined, outer });
      }
      for (const message of messages) {
        const full = `${prefix}.${message.name}`;
        types.set(full, { file, message, outer });
        add(full, message.nestedType, message.enumType);
      }
    };
    add(undefined, messageType, enumType);
  }
  return types;
}
