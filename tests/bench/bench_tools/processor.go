package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"net"
	"strconv"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	mode "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_proc/v3"
	pb "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
	"google.golang.org/grpc"
)

// rule takes requests whose body has certain bytes in it to a server: all that
// a processor has to do where it does no MCP.
type rule struct {
	// Bytes near the beginning of the body.
	Match string `json:"match"`
	// What replaces them; the body stays as it is where left out.
	Replace *string `json:"replace"`
	// Headers to set.
	Headers map[string]string `json:"headers"`
}

// reference is the external processor that the router is compared with: the
// same phases, the same kinds of changes, no look at what they mean.
type reference struct {
	rules []rule
	// Whether it asks for a response's headers, by the era of the request.
	responses map[bool]bool
}

// process serves an external processor on a unix socket.
func process(args []string) error {
	flags := flag.NewFlagSet("processor", flag.ExitOnError)
	socket := flags.String("socket", "", "path of the unix socket")
	rules := flags.String("rules", "[]", "rules in JSON")
	session := flags.Bool("session-responses", true, "ask for response headers in the session era")
	stateless := flags.Bool("stateless-responses", true, "the same in the stateless era")
	_ = flags.Parse(args)
	endWithParent()
	peer := &reference{responses: map[bool]bool{false: *session, true: *stateless}}
	if err := json.Unmarshal([]byte(*rules), &peer.rules); err != nil {
		return err
	}
	listener, err := net.Listen("unix", *socket)
	if err != nil {
		return err
	}
	server := grpc.NewServer(grpc.MaxRecvMsgSize(16 << 20))
	pb.RegisterExternalProcessorServer(server, peer)
	say(map[string]string{"socket": *socket})
	return server.Serve(listener)
}

// Process answers the phases of one request.
func (p *reference) Process(stream pb.ExternalProcessor_ProcessServer) error {
	for {
		request, err := stream.Recv()
		if err != nil {
			return nil // Envoy is done with it.
		}
		response := &pb.ProcessingResponse{}
		switch phase := request.Request.(type) {
		case *pb.ProcessingRequest_RequestHeaders:
			response.Response = &pb.ProcessingResponse_RequestHeaders{RequestHeaders: &pb.HeadersResponse{}}
			response.ModeOverride = p.phases(phase.RequestHeaders.Headers)
		case *pb.ProcessingRequest_RequestBody:
			response.Response = &pb.ProcessingResponse_RequestBody{RequestBody: &pb.BodyResponse{Response: p.route(phase.RequestBody.Body)}}
		case *pb.ProcessingRequest_ResponseHeaders:
			response.Response = &pb.ProcessingResponse_ResponseHeaders{ResponseHeaders: &pb.HeadersResponse{}}
		case *pb.ProcessingRequest_RequestTrailers:
			response.Response = &pb.ProcessingResponse_RequestTrailers{RequestTrailers: &pb.TrailersResponse{}}
		}
		if err := stream.Send(response); err != nil {
			return err
		}
	}
}

// phases asks for the body, and for the response's headers where the router
// does so too.
func (p *reference) phases(headers *core.HeaderMap) *mode.ProcessingMode {
	stateless := false
	for _, header := range headers.GetHeaders() {
		if header.Key == "mcp-protocol-version" {
			stateless = string(header.RawValue) == statelessRevision
		}
	}
	phases := &mode.ProcessingMode{
		RequestBodyMode:    mode.ProcessingMode_BUFFERED,
		ResponseHeaderMode: mode.ProcessingMode_SKIP,
	}
	if p.responses[stateless] {
		phases.ResponseHeaderMode = mode.ProcessingMode_SEND
	}
	return phases
}

// route sends a request where the first rule that matches says.
func (p *reference) route(body []byte) *pb.CommonResponse {
	head := body[:min(len(body), 512)]
	for _, rule := range p.rules {
		at := bytes.Index(head, []byte(rule.Match))
		if at < 0 {
			continue
		}
		set := rule.Headers
		response := &pb.CommonResponse{ClearRouteCache: true, HeaderMutation: &pb.HeaderMutation{}}
		for name, value := range set {
			response.HeaderMutation.SetHeaders = append(response.HeaderMutation.SetHeaders, header(name, value))
		}
		if rule.Replace != nil {
			replaced := make([]byte, 0, len(body))
			replaced = append(append(append(replaced, body[:at]...), *rule.Replace...), body[at+len(rule.Match):]...)
			response.BodyMutation = &pb.BodyMutation{Mutation: &pb.BodyMutation_Body{Body: replaced}}
			response.HeaderMutation.SetHeaders = append(response.HeaderMutation.SetHeaders,
				header("content-length", strconv.Itoa(len(replaced))))
		}
		return response
	}
	return &pb.CommonResponse{}
}

func header(name, value string) *core.HeaderValueOption {
	return &core.HeaderValueOption{
		Header:       &core.HeaderValue{Key: name, RawValue: []byte(value)},
		AppendAction: core.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD,
	}
}
