package main

import (
	"fmt"
	"net/http"
	"time"
)

// stream tells of changes, in a session or to the listener of an id.
func (s *upstream) stream(w http.ResponseWriter, r *http.Request, id string) {
	changes := make(chan string, 16)
	s.mutex.Lock()
	s.listeners[changes] = struct{}{}
	s.mutex.Unlock()
	defer func() {
		s.mutex.Lock()
		delete(s.listeners, changes)
		s.mutex.Unlock()
	}()
	params := "{}"
	w.Header().Set("content-type", "text/event-stream")
	if id != "" {
		stamp := fmt.Sprintf(`{"_meta":{"io.modelcontextprotocol/subscriptionId":%s}`, id)
		params = stamp + "}"
		writeEvent(w, `{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":`+
			stamp+`,"notifications":{"toolsListChanged":true}}}`)
	}
	_ = http.NewResponseController(w).Flush()
	for {
		select {
		case method := <-changes:
			writeEvent(w, fmt.Sprintf(`{"jsonrpc":"2.0","method":%q,"params":%s}`, method, params))
		case <-r.Context().Done():
			return
		}
	}
}

// events answers a call by a stream: as many events as asked for, each with
// the time at which it was written, then the result.
func (s *upstream) events(w http.ResponseWriter, r *http.Request, m message) {
	w.Header().Set("content-type", "text/event-stream")
	token := string(m.Params.Meta.ProgressToken)
	if token == "" {
		token = "0"
	}
	pause := time.Duration(m.Params.Arguments.PauseUs) * time.Microsecond
	next := time.Now()
	for i := range m.Params.Arguments.Events {
		if next = next.Add(pause); pause > 0 {
			time.Sleep(time.Until(next))
		}
		writeEvent(w, fmt.Sprintf(`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":%s,`+
			`"progress":%d,"message":"%d"}}`, token, i+1, time.Now().UnixNano()))
	}
	kind := ""
	if stateless(r) {
		kind = `"resultType":"complete",`
	}
	writeEvent(w, fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"result":{%s"content":[{"type":"text","text":"ok"}]}}`, m.ID, kind))
}

func writeEvent(w http.ResponseWriter, data string) {
	fmt.Fprintf(w, "data: %s\n\n", data)
	_ = http.NewResponseController(w).Flush()
}
