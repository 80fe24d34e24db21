package main

import (
	"encoding/json"
	"errors"
	"flag"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"
)

// campaign is what clients do: each goes through the steps again and again,
// and sends a request when the one before is answered (a closed loop).
type campaign struct {
	Address     string `json:"address"`
	Connections int    `json:"connections"`
	// Which end it: milliseconds, or rounds of all connections together.
	DurationMs int `json:"durationMs"`
	Iterations int `json:"iterations"`
	// Sessions that connections are in, by turns.
	Sessions []string `json:"sessions"`
	Steps    []step   `json:"steps"`
	// Whether to tell which sessions were opened.
	TellSessions bool `json:"tellSessions"`
}

// timing sums up how long something took, microseconds.
type timing struct {
	Count int     `json:"count"`
	P50   float64 `json:"p50"`
	P99   float64 `json:"p99"`
	Max   float64 `json:"max"`
}

// outcome is what a campaign came to.
type outcome struct {
	// Requests that were answered as they have to be, and those that were not.
	Requests     int               `json:"requests"`
	Failures     int               `json:"failures"`
	FirstFailure string            `json:"firstFailure,omitempty"`
	Seconds      float64           `json:"seconds"`
	Timings      map[string]timing `json:"timings"`
	Sessions     []string          `json:"sessions,omitempty"`
	// CPU time that the clients themselves took, microseconds.
	CPU int64 `json:"cpuUs"`
}

// load reads a campaign from standard input, runs it and prints the outcome.
func load(args []string) error {
	_ = flag.NewFlagSet("load", flag.ExitOnError).Parse(args)
	var c campaign
	if err := json.NewDecoder(os.Stdin).Decode(&c); err != nil {
		return err
	}
	if c.Connections < 1 || len(c.Steps) == 0 || (c.DurationMs > 0) == (c.Iterations > 0) {
		return errors.New("a campaign has connections, steps, and either a duration or iterations")
	}
	result := c.run()
	result.CPU = cpuTime()
	say(result)
	return nil
}

// cpuTime tells what this process has used since its start.
func cpuTime() int64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return (usage.Utime.Nano() + usage.Stime.Nano()) / 1000
}

// run lets all clients loose at once.
func (c *campaign) run() outcome {
	var (
		mutex   sync.Mutex
		done    sync.WaitGroup
		all     outcome
		times   = map[string][]int64{}
		left    = c.Iterations
		clients = make([]*client, c.Connections)
	)
	for i := range clients {
		clients[i] = &client{address: c.Address, number: i}
		if len(c.Sessions) > 0 {
			clients[i].session = c.Sessions[i%len(c.Sessions)]
		}
		_ = clients[i].connect() // tried again, and counted, by the first request
	}
	started := time.Now()
	end := started.Add(time.Duration(c.DurationMs) * time.Millisecond)
	more := func() bool {
		if c.DurationMs > 0 {
			return time.Now().Before(end)
		}
		mutex.Lock()
		defer mutex.Unlock()
		left--
		return left >= 0
	}
	for _, one := range clients {
		done.Go(func() {
			own := outcome{}
			measured := map[string][]int64{}
			for more() {
				one.once(c.Steps, &own, measured)
				if c.TellSessions {
					own.Sessions = append(own.Sessions, one.session)
				}
			}
			mutex.Lock()
			defer mutex.Unlock()
			all.Requests += own.Requests
			all.Failures += own.Failures
			all.Sessions = append(all.Sessions, own.Sessions...)
			if all.FirstFailure == "" {
				all.FirstFailure = own.FirstFailure
			}
			for name, values := range measured {
				times[name] = append(times[name], values...)
			}
			times["event"] = append(times["event"], one.delays...)
		})
	}
	done.Wait()
	all.Seconds = time.Since(started).Seconds()
	all.Timings = map[string]timing{}
	for name, values := range times {
		if len(values) > 0 {
			all.Timings[name] = summary(values)
		}
	}
	return all
}

// once goes through the steps; a failure ends this round of them.
func (c *client) once(steps []step, to *outcome, measured map[string][]int64) {
	for i := range steps {
		took, err := c.do(&steps[i])
		if err != nil {
			if to.Failures++; to.FirstFailure == "" {
				to.FirstFailure = err.Error()
			}
			time.Sleep(time.Millisecond) // a refused connection must not spin
			return
		}
		to.Requests++
		if name := steps[i].Timed; name != "" {
			measured[name] = append(measured[name], int64(took))
		}
	}
}

// summary sorts nanoseconds and sums them up.
func summary(values []int64) timing {
	slices.Sort(values)
	at := func(share float64) float64 {
		return float64(values[min(int(float64(len(values))*share), len(values)-1)]) / 1000
	}
	return timing{Count: len(values), P50: at(0.5), P99: at(0.99), Max: at(1)}
}
