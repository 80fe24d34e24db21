package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// step is one request of a client, and what has to come back for it.
type step struct {
	// Request line and headers without content-length and the empty line;
	// {session} stands for the client's session.
	Head string `json:"head"`
	// Body; {id} stands for the id of the request. None for a GET.
	Body string `json:"body"`
	// Name under which its time is kept; not measured where left out.
	Timed string `json:"timed"`
	// The one status that is right.
	Status int `json:"status"`
	// The one body that is right: what stands before and behind the id.
	Before string `json:"before"`
	After  string `json:"after"`
	// The answer is a stream of this many events and the result.
	Events int `json:"events"`
	// The session is in the answer's header.
	Opens bool `json:"opens"`
}

// render writes a request.
func (s *step) render(into *bytes.Buffer, session, id string) {
	into.Reset()
	into.WriteString(strings.Replace(s.Head, "{session}", session, 1))
	if s.Body == "" {
		into.WriteString("\r\n")
		return
	}
	before, after, found := strings.Cut(s.Body, "{id}")
	length := len(before) + len(after)
	if !found {
		id = ""
	}
	into.WriteString("content-length: ")
	into.WriteString(strconv.Itoa(length + len(id)))
	into.WriteString("\r\n\r\n")
	into.WriteString(before)
	into.WriteString(id)
	into.WriteString(after)
}

// client is one connection that sends a request after the other.
type client struct {
	address string
	// The session it is in.
	session string
	// What makes its ids different from others'.
	number int
	sent   int
	conn   net.Conn
	reader *bufio.Reader
	out    bytes.Buffer
	in     bytes.Buffer
	// Delays of events, nanoseconds.
	delays []int64
}

func (c *client) connect() error {
	if c.conn != nil {
		_ = c.conn.Close()
	}
	conn, err := net.DialTimeout("tcp", c.address, 10*time.Second)
	if err != nil {
		return err
	}
	c.conn, c.reader = conn, bufio.NewReaderSize(conn, 64<<10)
	return nil
}

// do sends a step's request, checks the answer, tells how long that took.
func (c *client) do(s *step) (time.Duration, error) {
	if c.conn == nil {
		if err := c.connect(); err != nil {
			return 0, err
		}
	}
	c.sent++
	id := strconv.Itoa(100_000_000 + (c.number%800)*1_000_000 + c.sent%1_000_000)
	s.render(&c.out, c.session, id)
	started := time.Now()
	// An answer that does not come is a failure, not a reason to wait for ever.
	_ = c.conn.SetDeadline(started.Add(30 * time.Second))
	if _, err := c.conn.Write(c.out.Bytes()); err != nil {
		return 0, c.broken(err)
	}
	response, err := http.ReadResponse(c.reader, nil)
	if err != nil {
		return 0, c.broken(err)
	}
	c.in.Reset()
	if s.Events > 0 && response.StatusCode == http.StatusOK {
		err = c.readEvents(s, response, id)
	} else if _, err = c.in.ReadFrom(response.Body); err == nil {
		err = c.check(s, response, id)
	}
	took := time.Since(started)
	if err != nil {
		return 0, c.broken(err)
	}
	if s.Opens {
		if c.session = response.Header.Get("mcp-session-id"); c.session == "" {
			return 0, c.broken(errors.New("no session in the answer"))
		}
	}
	if response.Close {
		_ = c.conn.Close()
		c.conn = nil
	}
	return took, nil
}

// broken gives the connection up, as nobody knows what is left in it.
func (c *client) broken(err error) error {
	_ = c.conn.Close()
	c.conn = nil
	return err
}

func (c *client) check(s *step, response *http.Response, id string) error {
	body := c.in.Bytes()
	if response.StatusCode == s.Status && isAnswer(s, body, id) {
		return nil
	}
	return fmt.Errorf("HTTP %d to id %s: %.300q", response.StatusCode, id, body)
}

func isAnswer(s *step, body []byte, id string) bool {
	if s.Before == "" && s.After == "" {
		return len(body) == 0
	}
	return len(body) == len(s.Before)+len(id)+len(s.After) &&
		bytes.HasPrefix(body, []byte(s.Before)) &&
		bytes.HasPrefix(body[len(s.Before):], []byte(id)) &&
		bytes.HasSuffix(body, []byte(s.After))
}

// readEvents takes each event as it comes: all there, in order, then the
// result.
func (c *client) readEvents(s *step, response *http.Response, id string) error {
	lines := bufio.NewReader(response.Body)
	seen := 0
	for {
		line, err := lines.ReadSlice('\n')
		if err != nil {
			return fmt.Errorf("the stream ended after %d events: %w", seen, err)
		}
		data, ok := bytes.CutPrefix(bytes.TrimRight(line, "\r\n"), []byte("data: "))
		if !ok || len(data) == 0 {
			continue
		}
		if isAnswer(s, data, id) {
			break
		}
		now := time.Now().UnixNano()
		_, rest, _ := bytes.Cut(data, []byte(`"progress":`))
		number, rest, _ := bytes.Cut(rest, []byte(`,"message":"`))
		stamp, _, _ := bytes.Cut(rest, []byte(`"`))
		seen++
		at, err := strconv.ParseInt(string(stamp), 10, 64)
		if err != nil || string(number) != strconv.Itoa(seen) {
			return fmt.Errorf("event %d of the stream: %.300q", seen, data)
		}
		c.delays = append(c.delays, now-at)
	}
	if seen != s.Events {
		return fmt.Errorf("%d events instead of %d", seen, s.Events)
	}
	_, err := c.in.ReadFrom(lines)
	return err
}
