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

// outcomes is told what became of every message, and what the client gave up on.
type outcomes struct {
	settled sync.WaitGroup
	mutex   sync.Mutex
	errors  []string
}

func (o *outcomes) Success(posthog.APIMessage) { o.settled.Done() }
func (o *outcomes) Failure(_ posthog.APIMessage, err error) {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	o.errors = append(o.errors, err.Error())
	o.settled.Done()
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

	told := &outcomes{errors: []string{}}
	client, err := posthog.NewWithConfig(p.Key, posthog.Config{
		Endpoint:            p.Host,
		BatchSize:           p.Batch,
		Interval:            200 * time.Millisecond,
		HistoricalMigration: p.Historical,
		Callback:            told,
		RetryAfter:          func(int) time.Duration { return 2 * time.Second },
	})
	check(err)
	told.settled.Add(len(p.Events) + len(p.Calls))
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
	// A client that is closed gives up on what it would try again, so all of it is settled first.
	told.settled.Wait()
	check(client.Close())
	report := map[string]any{"errors": told.errors, "version": posthog.Version}
	check(json.NewEncoder(os.Stdout).Encode(report))
}
