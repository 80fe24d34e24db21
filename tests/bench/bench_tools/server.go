package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

const statelessRevision = "2026-07-28"

// upstream is an MCP server of both eras that answers from text made before.
//
// The query of its address says what it lists, so that one process is as many
// servers as a benchmark needs: ?names=PREFIX puts something before the names
// of its tools, ?tools=N makes it list N tools in all.
type upstream struct {
	mutex sync.Mutex
	// Messages by method since the last look, and connections.
	counts map[string]int
	// Lists by query and era, and open streams that hear of changes.
	lists     map[string][]byte
	listeners map[chan string]struct{}
	// Raised by each change of the lists.
	version int
	// Answer of the tool big.
	big string
}

// serve runs the server until it is ended.
func serve(args []string) error {
	flags := flag.NewFlagSet("server", flag.ExitOnError)
	size := flags.Int("big", 64<<10, "bytes of the text that the tool big answers")
	_ = flags.Parse(args)
	endWithParent()
	server := &upstream{
		counts:    map[string]int{},
		lists:     map[string][]byte{},
		listeners: map[chan string]struct{}{},
		big:       strings.Repeat("x", *size),
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/mcp", server.mcp)
	mux.HandleFunc("/counts", server.tell)
	mux.HandleFunc("/change", server.change)
	say(map[string]int{"port": listener.Addr().(*net.TCPAddr).Port})
	return (&http.Server{
		Handler: mux,
		ConnState: func(_ net.Conn, state http.ConnState) {
			if state == http.StateNew {
				server.count("connections")
			}
		},
	}).Serve(listener)
}

func (s *upstream) count(what string) {
	s.mutex.Lock()
	s.counts[what]++
	s.mutex.Unlock()
}

// tell shows what was counted since it was asked the last time.
func (s *upstream) tell(w http.ResponseWriter, _ *http.Request) {
	s.mutex.Lock()
	counts := s.counts
	s.counts = map[string]int{}
	s.mutex.Unlock()
	_ = json.NewEncoder(w).Encode(counts)
}

// change has every list change, tells all who listen, and when it began to.
func (s *upstream) change(w http.ResponseWriter, _ *http.Request) {
	s.mutex.Lock()
	s.version++
	s.lists = map[string][]byte{}
	at := time.Now().UnixNano()
	for listener := range s.listeners {
		listener <- "notifications/tools/list_changed"
	}
	s.mutex.Unlock()
	_ = json.NewEncoder(w).Encode(map[string]string{"at": strconv.FormatInt(at, 10)})
}

func (s *upstream) mcp(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodPost:
		s.post(w, r)
	case http.MethodGet:
		s.count("GET")
		s.stream(w, r, "")
	case http.MethodDelete:
		s.count("DELETE")
		w.WriteHeader(http.StatusOK)
	default:
		w.WriteHeader(http.StatusMethodNotAllowed)
	}
}

// message is what this server has to know of one.
type message struct {
	ID     json.RawMessage `json:"id"`
	Method string          `json:"method"`
	Params struct {
		Name            string `json:"name"`
		ProtocolVersion string `json:"protocolVersion"`
		Arguments       struct {
			Events  int `json:"events"`
			PauseUs int `json:"pauseUs"`
		} `json:"arguments"`
		Meta struct {
			ProgressToken json.RawMessage `json:"progressToken"`
		} `json:"_meta"`
	} `json:"params"`
}

func (s *upstream) post(w http.ResponseWriter, r *http.Request) {
	body := make([]byte, max(r.ContentLength, 0))
	if _, err := io.ReadFull(r.Body, body); err != nil || r.ContentLength < 0 {
		http.Error(w, "the body is not as long as it says", http.StatusBadRequest)
		return
	}
	names := r.URL.Query().Get("names")
	if id, ok := plainCall(body, names+"echo"); ok {
		s.count("tools/call")
		s.answer(w, r, id, `"content":[{"type":"text","text":"ok"}]`)
		return
	}
	var m message
	if err := json.Unmarshal(body, &m); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s.count(m.Method)
	if m.ID == nil {
		w.WriteHeader(http.StatusAccepted)
		return
	}
	switch m.Method {
	case "initialize":
		w.Header().Set("mcp-session-id", fmt.Sprintf("%d", time.Now().UnixNano()))
		s.answer(w, r, m.ID, `"protocolVersion":"`+m.Params.ProtocolVersion+
			`","capabilities":{"tools":{"listChanged":true}},"serverInfo":{"name":"bench","version":"1.0.0"}`)
	case "server/discover":
		s.answer(w, r, m.ID, `"supportedVersions":["`+statelessRevision+
			`"],"capabilities":{"tools":{"listChanged":true}},"ttlMs":600000,"cacheScope":"public"`)
	case "ping":
		s.answer(w, r, m.ID, "")
	case "tools/list":
		s.answer(w, r, m.ID, string(s.list(r)))
	case "subscriptions/listen":
		s.stream(w, r, string(m.ID))
	case "tools/call":
		switch m.Params.Name {
		case names + "echo":
			s.answer(w, r, m.ID, `"content":[{"type":"text","text":"ok"}]`)
		case names + "big":
			s.answer(w, r, m.ID, `"content":[{"type":"text","text":"`+s.big+`"}]`)
		case names + "events":
			s.events(w, r, m)
		default:
			// A prefix that was not removed must not go unnoticed.
			s.fail(w, m.ID, -32602, "no tool "+m.Params.Name)
		}
	default:
		s.fail(w, m.ID, -32601, "no method "+m.Method)
	}
}

// plainCall finds the id in a call of a tool without reading all of it, where
// it is written as these benchmarks write it.
func plainCall(body []byte, tool string) (json.RawMessage, bool) {
	rest, ok := bytes.CutPrefix(body, []byte(`{"jsonrpc":"2.0","id":`))
	if !ok {
		return nil, false
	}
	id, rest, ok := bytes.Cut(rest, []byte(`,"method":"tools/call","params":{"name":"`))
	if !ok || len(id) > 20 {
		return nil, false
	}
	return id, bytes.HasPrefix(rest, []byte(tool+`",`))
}

// answer writes a result whose members are given.
func (s *upstream) answer(w http.ResponseWriter, r *http.Request, id json.RawMessage, members string) {
	kind := ""
	if stateless(r) {
		kind = `"resultType":"complete"`
		if members != "" {
			kind += ","
		}
	}
	var body bytes.Buffer
	body.Grow(len(members) + 100)
	fmt.Fprintf(&body, `{"jsonrpc":"2.0","id":%s,"result":{%s%s}}`, id, kind, members)
	w.Header().Set("content-type", "application/json")
	w.Header().Set("content-length", strconv.Itoa(body.Len()))
	_, _ = w.Write(body.Bytes())
}

func (s *upstream) fail(w http.ResponseWriter, id json.RawMessage, code int, why string) {
	w.Header().Set("content-type", "application/json")
	fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"error":{"code":%d,"message":%q}}`, id, code, why)
}

func stateless(r *http.Request) bool {
	return r.Header.Get("mcp-protocol-version") == statelessRevision
}

// list makes the members of a list's result, once.
func (s *upstream) list(r *http.Request) []byte {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	key := fmt.Sprint(r.URL.RawQuery, stateless(r))
	if made, ok := s.lists[key]; ok {
		return made
	}
	names := r.URL.Query().Get("names")
	var tools []string
	for _, name := range []string{"echo", "big", "events"} {
		tools = append(tools, tool(names+name, s.version))
	}
	more, _ := strconv.Atoi(r.URL.Query().Get("tools"))
	for i := range max(more-len(tools), 0) {
		tools = append(tools, tool(fmt.Sprintf("%stool_%04d", names, i), s.version))
	}
	made := `"tools":[` + strings.Join(tools, ",") + `]`
	if stateless(r) {
		made += `,"ttlMs":600000,"cacheScope":"public"`
	}
	s.lists[key] = []byte(made)
	return s.lists[key]
}

// tool writes one as servers write theirs: some 400 bytes.
func tool(name string, version int) string {
	return fmt.Sprintf(`{"name":%q,"title":"A tool","description":"Looks something up by a text and returns `+
		`what it found, at most as many results as asked for. Version %d of it.","inputSchema":{"type":"object",`+
		`"properties":{"query":{"type":"string","description":"What to look for"},"limit":{"type":"integer",`+
		`"minimum":1,"maximum":100,"description":"Results at most"}}},"annotations":{"readOnlyHint":true}}`, name, version)
}
