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

type identify struct {
	DistinctID string         `json:"distinct_id"`
	Set        map[string]any `json:"set"`
}

type plan struct {
	Host       string     `json:"host"`
	Key        string     `json:"key"`
	Batch      int        `json:"batch"`
	Historical bool       `json:"historical"`
	PaceMs     int        `json:"pace_ms"`
	Events     []event    `json:"events"`
	Identifies []identify `json:"identifies"`
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
		RetryAfter:          func(int) time.Duration { return 500 * time.Millisecond },
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
	for _, i := range p.Identifies {
		check(client.Enqueue(posthog.Identify{DistinctId: i.DistinctID, Properties: i.Set}))
	}
	check(client.Close())
	check(json.NewEncoder(os.Stdout).Encode(map[string]any{"errors": failed.errors}))
}
