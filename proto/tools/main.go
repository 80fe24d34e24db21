// Prints the protobuf files that Envoy's external processor service needs.
//
// Envoy's Go module carries its API as compiled descriptors, not as text. This
// program takes external_processor.proto and everything it imports, prints each
// file as .proto text, compiles that text again and refuses to go on unless it
// means exactly what the descriptors said. Its standard output is one JSON
// object:
//
//	{ "files": { "<path>": "<text>", … }, "descriptors": "<base64>" }
//
// where descriptors is a google.protobuf.FileDescriptorSet of the compiled
// text, imports first. google/protobuf/* is in the set but not in the files:
// every protobuf compiler brings those along. It writes no file itself.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/bufbuild/protocompile"
	"github.com/jhump/protoreflect/v2/protoprint"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	extproc "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
)

// output is what the generator script reads.
type output struct {
	Files       map[string]string `json:"files"`
	Descriptors []byte            `json:"descriptors"`
}

// header opens every printed file.
const header = "// Printed from Envoy's own descriptors by proto/gen.ts: change nothing by hand.\n\n"

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	all := importsFirst(extproc.File_envoy_service_ext_proc_v3_external_processor_proto)
	files, err := printFiles(all)
	if err != nil {
		return err
	}
	set, err := compileFiles(all, files)
	if err != nil {
		return err
	}
	descriptors, err := proto.MarshalOptions{Deterministic: true}.Marshal(set)
	if err != nil {
		return fmt.Errorf("cannot encode the descriptors: %w", err)
	}
	return json.NewEncoder(os.Stdout).Encode(output{files, descriptors})
}

// importsFirst lists root and everything it imports, each file after its imports.
func importsFirst(root protoreflect.FileDescriptor) []protoreflect.FileDescriptor {
	var ordered []protoreflect.FileDescriptor
	seen := map[string]bool{}
	var visit func(protoreflect.FileDescriptor)
	visit = func(file protoreflect.FileDescriptor) {
		if seen[file.Path()] {
			return
		}
		seen[file.Path()] = true
		for i := range file.Imports().Len() {
			visit(file.Imports().Get(i).FileDescriptor)
		}
		ordered = append(ordered, file)
	}
	visit(root)
	return ordered
}

// isWellKnown tells the files that protobuf compilers bring along.
func isWellKnown(path string) bool {
	return strings.HasPrefix(path, "google/protobuf/")
}

// printFiles prints every file that is not well known, by path.
func printFiles(all []protoreflect.FileDescriptor) (map[string]string, error) {
	printer := protoprint.Printer{}
	files := map[string]string{}
	for _, file := range all {
		if isWellKnown(file.Path()) {
			continue
		}
		text, err := printer.PrintProtoToString(file)
		if err != nil {
			return nil, fmt.Errorf("cannot print %s: %w", file.Path(), err)
		}
		files[file.Path()] = header + text
	}
	return files, nil
}

// compileFiles compiles the printed text and holds it against the descriptors it
// was printed from, so that what is generated from the text is Envoy's API.
func compileFiles(
	all []protoreflect.FileDescriptor,
	files map[string]string,
) (*descriptorpb.FileDescriptorSet, error) {
	compiler := protocompile.Compiler{
		Resolver: protocompile.WithStandardImports(&protocompile.SourceResolver{
			Accessor: protocompile.SourceAccessorFromMap(files),
		}),
	}
	set := &descriptorpb.FileDescriptorSet{}
	var differences []error
	for _, want := range all {
		compiled, err := compiler.Compile(context.Background(), want.Path())
		if err != nil {
			return nil, fmt.Errorf("cannot compile the text printed for %s: %w", want.Path(), err)
		}
		got := protodesc.ToFileDescriptorProto(compiled[0])
		set.File = append(set.File, got)
		if isWellKnown(want.Path()) {
			continue
		}
		if err := sameMeaning(protodesc.ToFileDescriptorProto(want), got); err != nil {
			differences = append(differences, err)
		}
	}
	return set, errors.Join(differences...)
}

// sameMeaning tells how got differs from want, where the difference can matter.
func sameMeaning(want, got *descriptorpb.FileDescriptorProto) error {
	wantBytes, wantErr := canonicalBytes(want)
	gotBytes, gotErr := canonicalBytes(got)
	if err := errors.Join(wantErr, gotErr); err != nil {
		return fmt.Errorf("cannot compare %s: %w", want.GetName(), err)
	}
	if !bytes.Equal(wantBytes, gotBytes) {
		return fmt.Errorf("the text printed for %s does not mean what its descriptor says", want.GetName())
	}
	return nil
}

// canonicalBytes encodes file without what printing may change and nobody can
// observe: the order of nested messages, and options that set nothing.
func canonicalBytes(file *descriptorpb.FileDescriptorProto) ([]byte, error) {
	canonical := proto.CloneOf(file)
	canonicalize(canonical.ProtoReflect())
	return proto.MarshalOptions{Deterministic: true}.Marshal(canonical)
}

func canonicalize(message protoreflect.Message) {
	if descriptor, ok := message.Interface().(*descriptorpb.DescriptorProto); ok {
		slices.SortFunc(descriptor.NestedType, func(a, b *descriptorpb.DescriptorProto) int {
			return strings.Compare(a.GetName(), b.GetName())
		})
	}
	message.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		switch {
		case field.Message() == nil || field.IsMap():
		case field.IsList():
			for i := range value.List().Len() {
				canonicalize(value.List().Get(i).Message())
			}
		case field.Name() == "options" && proto.Size(value.Message().Interface()) == 0:
			message.Clear(field)
		default:
			canonicalize(value.Message())
		}
		return true
	})
}
