package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"
)

// audience is clients that open a stream each and listen.
type audience struct {
	Address string `json:"address"`
	Streams int    `json:"streams"`
	// Sessions that they are in, one each; where left out, what they do before
	// opens one.
	Sessions []string `json:"sessions"`
	// What each does before, on a connection that it shares with others.
	Prepare []step `json:"prepare"`
	// The request whose answer is the stream.
	Stream step `json:"stream"`
	// Bytes of the events that are waited for; others are passed over.
	Event string `json:"event"`
	// Bytes of the first event, which says that the stream stands, where one does.
	Opened string `json:"opened"`
	// Streams that have ended by themselves.
	closed int
}

// wave is how one event reached the audience. Times are of the wall clock, in
// nanoseconds since 1970 as text, as JSON's numbers are too short for them.
type wave struct {
	Heard  int      `json:"heard"`
	Twice  int      `json:"twice"`
	Closed int      `json:"closed"`
	At     []string `json:"at"`
}

type hearing struct {
	stream int
	at     int64
	err    error
}

// openers open streams side by side.
const openers = 16

// listen opens the streams, says so, and for each line on standard input waits
// for an event on all of them and says when each came.
func listen(args []string) error {
	_ = flag.NewFlagSet("listen", flag.ExitOnError).Parse(args)
	input := bufio.NewReader(os.Stdin)
	line, err := input.ReadBytes('\n')
	if err != nil {
		return err
	}
	var a audience
	if err := json.Unmarshal(line, &a); err != nil {
		return err
	}
	heard := make(chan hearing, 4*a.Streams)
	if err := a.open(heard); err != nil {
		return err
	}
	say(map[string]int{"opened": a.Streams})
	for {
		if _, err := input.ReadBytes('\n'); err != nil {
			return nil // whoever started this has enough
		}
		a.drop(heard)
		say(map[string]bool{"waiting": true})
		say(a.wait(heard))
	}
}

// open opens all streams.
func (a *audience) open(heard chan<- hearing) error {
	var done sync.WaitGroup
	next := make(chan int)
	failed := make(chan error, openers)
	for range openers {
		done.Go(func() {
			shared := &client{address: a.Address}
			for i := range next {
				shared.number, shared.sent = i, 0
				if err := a.openOne(i, shared, heard); err != nil {
					failed <- fmt.Errorf("stream %d: %w", i, err)
					return
				}
			}
		})
	}
	all := func() error {
		for i := range a.Streams {
			select {
			case next <- i:
			case err := <-failed:
				return err
			}
		}
		return nil
	}
	err := all()
	close(next)
	done.Wait()
	close(failed)
	return errors.Join(err, <-failed)
}

func (a *audience) openOne(i int, shared *client, heard chan<- hearing) error {
	for at := range a.Prepare {
		if _, err := shared.do(&a.Prepare[at]); err != nil {
			return err
		}
	}
	own := &client{address: a.Address, session: shared.session, number: i}
	if len(a.Sessions) > 0 {
		own.session = a.Sessions[i%len(a.Sessions)]
	}
	if err := own.connect(); err != nil {
		return err
	}
	a.Stream.render(&own.out, own.session, strconv.Itoa(100_000_000+i))
	if _, err := own.conn.Write(own.out.Bytes()); err != nil {
		return err
	}
	response, err := http.ReadResponse(own.reader, nil)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("HTTP %d", response.StatusCode)
	}
	lines := bufio.NewReader(response.Body)
	if a.Opened != "" {
		if err := until(lines, a.Opened); err != nil {
			return err
		}
	}
	go func() {
		for {
			err := until(lines, a.Event)
			heard <- hearing{stream: i, at: time.Now().UnixNano(), err: err}
			if err != nil {
				return
			}
		}
	}()
	return nil
}

// until reads lines until one has some bytes in it.
func until(lines *bufio.Reader, what string) error {
	for {
		line, err := lines.ReadSlice('\n')
		if err != nil {
			return err
		}
		if bytes.Contains(line, []byte(what)) {
			return nil
		}
	}
}

// drop forgets what came behind the last wave, but for streams that ended.
func (a *audience) drop(heard <-chan hearing) {
	for {
		select {
		case one := <-heard:
			if one.err != nil {
				a.closed++
			}
		default:
			return
		}
	}
}

// wait collects one event of each stream, in the order they came.
func (a *audience) wait(heard <-chan hearing) wave {
	w := wave{Closed: a.closed}
	seen := make([]bool, a.Streams)
	times := make([]int64, 0, a.Streams)
	late := time.After(20 * time.Second)
	defer func() {
		a.closed = w.Closed
	}()
	for len(times)+w.Closed < a.Streams {
		select {
		case one := <-heard:
			switch {
			case one.err != nil:
				w.Closed++
			case seen[one.stream]:
				w.Twice++
			default:
				seen[one.stream] = true
				times = append(times, one.at)
			}
		case <-late:
			w.Heard, w.At = len(times), text(times)
			return w
		}
	}
	w.Heard, w.At = len(times), text(times)
	return w
}

func text(times []int64) []string {
	slices.Sort(times)
	texts := make([]string, len(times))
	for i, at := range times {
		texts[i] = strconv.FormatInt(at, 10)
	}
	return texts
}
