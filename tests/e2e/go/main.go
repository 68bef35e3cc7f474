// Sends a plan with posthog-go: JSON on standard input, what went wrong as JSON on standard output.
// The plan's form is told in ../sdk.py.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/posthog/posthog-go"
)

type event struct {
	Event      string         `json:"event"`
	DistinctID string         `json:"distinct_id"`
	UUID       string         `json:"uuid"`
	Timestamp  time.Time      `json:"timestamp"`
	Properties map[string]any `json:"properties"`
	Groups     map[string]any `json:"groups"`
}

// call is something else than a capture: set, alias or group.
type call struct {
	Call       string         `json:"call"`
	DistinctID string         `json:"distinct_id"`
	Alias      string         `json:"alias"`
	Type       string         `json:"type"`
	Key        string         `json:"key"`
	Set        map[string]any `json:"set"`
}

func (c call) message() (posthog.Message, error) {
	switch c.Call {
	case "set":
		return posthog.Identify{DistinctId: c.DistinctID, Properties: c.Set}, nil
	case "alias":
		return posthog.Alias{DistinctId: c.DistinctID, Alias: c.Alias}, nil
	case "group":
		return posthog.GroupIdentify{Type: c.Type, Key: c.Key, Properties: c.Set}, nil
	}
	return nil, fmt.Errorf("posthog-go has no %q", c.Call)
}

type plan struct {
	Host       string  `json:"host"`
	Key        string  `json:"key"`
	Batch      int     `json:"batch"`
	Historical bool    `json:"historical"`
	PaceMs     int     `json:"pace_ms"`
	Events     []event `json:"events"`
	Calls      []call  `json:"calls"`
}

// failures counts what the client gave up on.
type failures struct {
	mutex  sync.Mutex
	errors []string
}

func (f *failures) Success(posthog.APIMessage) {}
func (f *failures) Failure(_ posthog.APIMessage, err error) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	f.errors = append(f.errors, err.Error())
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func main() {
	input, err := io.ReadAll(os.Stdin)
	check(err)
	decoder := json.NewDecoder(bytes.NewReader(input))
	decoder.UseNumber() // integers beyond 2^53 stay what they are
	var p plan
	check(decoder.Decode(&p))

	failed := &failures{errors: []string{}}
	client, err := posthog.NewWithConfig(p.Key, posthog.Config{
		Endpoint:            p.Host,
		BatchSize:           p.Batch,
		Interval:            200 * time.Millisecond,
		HistoricalMigration: p.Historical,
		Callback:            failed,
		RetryAfter: func(attempt int) time.Duration {
			return time.Duration(attempt+1) * 300 * time.Millisecond
		},
	})
	check(err)
	for _, e := range p.Events {
		check(client.Enqueue(posthog.Capture{
			Event:      e.Event,
			DistinctId: e.DistinctID,
			Uuid:       e.UUID,
			Timestamp:  e.Timestamp,
			Properties: e.Properties,
			Groups:     e.Groups,
		}))
		time.Sleep(time.Duration(p.PaceMs) * time.Millisecond)
	}
	for _, c := range p.Calls {
		message, err := c.message()
		check(err)
		check(client.Enqueue(message))
	}
	check(client.Close())
	told := map[string]any{"errors": failed.errors, "version": posthog.Version}
	check(json.NewEncoder(os.Stdout).Encode(told))
}
