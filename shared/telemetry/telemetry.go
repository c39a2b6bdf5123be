// Package telemetry writes what a stage did: one JSON line per handled item, which
// is log and metric (CloudWatch's embedded metric format) at once.
//
// A line has fixed fields, and none of them takes a text from outside: no body, no
// header, no error message. So what must not be logged has no way in.
package telemetry

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"runtime"
	"strconv"
	"strings"
	"time"

	"loophub/shared/fault"
)

// Namespace of the metrics. Their one dimension is the stage: a dimension per
// connection would be a metric, and a price, per connection.
const Namespace = "Loophub"

// Metric is what is counted.
type Metric string

// The metrics.
const (
	Deliveries Metric = "deliveries" // stored and acknowledged
	Duplicates Metric = "duplicates" // of them: were there already
	Clashes    Metric = "clashes"    // of them: another body lay under the key
	Spilled    Metric = "spilled"    // of them: into the spill queue, since the Inbox did not take them
	Refused    Metric = "refused"    // not verified, nothing stored
	Strayed    Metric = "strayed"    // notifications of the account that are about nothing of ours
	Facts      Metric = "facts"      // taken in
	Parked     Metric = "parked"     // deliveries set aside, whole or in part, for a person to look at
	Retried    Metric = "retried"    // deliveries sent to the retry queue
	Echoes     Metric = "echo"       // facts dropped: the source told us what we had written there ourselves
	Overgrown  Metric = "overgrown"  // fragments that stand alone because too many would be one person
	Announced  Metric = "announced"  // changes put on the bus
	Sent       Metric = "sent"       // messages that a channel took
	Dropped    Metric = "dropped"    // messages that were decided against
	Delayed    Metric = "delayed"    // messages that wait for a moment
	Held       Metric = "held"       // kept for when something that is paused goes on
	Released   Metric = "released"   // of them: sent on, since it goes on
	Uncertain  Metric = "uncertain"  // messages of which nobody knows whether they were sent
	Entered    Metric = "entered"    // memberships that began
	Left       Metric = "left"       // memberships that ended
	Stale      Metric = "stale"      // of events: what they say was taken in before
	Told       Metric = "told"       // moments that came, and whose stage was told
	Reviewed   Metric = "reviewed"   // profiles that are looked at anew, since segments became others
	Begun      Metric = "begun"      // people who began a journey
	Requested  Metric = "requested"  // messages that journeys asked for
	PoolEmpty  Metric = "pool_empty" // times that no voucher was left to take
	Failures   Metric = "failures"   // could not be handled; the sender or the queue tries again
)

// Outcome is a word for what became of an item, chosen by the stage.
type Outcome string

// Count is how often something happened.
type Count struct {
	Metric Metric
	N      int
}

// Line is what is said about one handled item. Empty fields are left out.
type Line struct {
	Outcome    Outcome
	Err        error         // its class and code are written, never its text
	Workspace  string        // of a known workspace only
	Connection string        // of a known connection only
	Delivery   string        // delivery.Key.String
	Message    string        // id of a message
	Reason     string        // code of the reason for the outcome
	Trace      string        // our own trace id
	Route      string        // method and pattern of an API's path, never the path itself
	Status     int           // HTTP status of the reply
	Bytes      int           // size of the body
	Items      int           // how many the line speaks of, where not one
	Missing    []string      // names, out of a manifest, of headers that a request lacked
	Secrets    *int          // how many secrets it was held against
	Where      string        // source line of a panic
	Duration   time.Duration // of handling
	Counts     []Count       // metrics; those of 0 are left out
}

// Log writes the lines of one stage.
type Log struct {
	handler slog.Handler
	stage   string
}

// New writes to w, which on Lambda is standard output.
func New(w io.Writer, stage string) *Log {
	return &Log{stage: stage, handler: slog.NewJSONHandler(w, &slog.HandlerOptions{
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if len(groups) == 0 && a.Key == slog.TimeKey {
				a.Key = "timestamp" // the name by which Lambda filters levels
			}
			return a
		},
	})}
}

// Write writes a line: at ERROR when it has an error, at INFO otherwise.
func (l *Log) Write(ctx context.Context, now time.Time, line Line) {
	level := slog.LevelInfo
	if line.Err != nil || line.Where != "" {
		level = slog.LevelError
	}
	r := slog.NewRecord(now, level, string(line.Outcome), 0)
	r.AddAttrs(slog.String("stage", l.stage))
	text := func(name, v string) {
		if v != "" {
			r.AddAttrs(slog.String(name, v))
		}
	}
	number := func(name string, n int) {
		if n != 0 {
			r.AddAttrs(slog.Int(name, n))
		}
	}
	if line.Err != nil {
		text("class", string(fault.ClassOf(line.Err)))
		text("code", code(line.Err))
	}
	text("where", line.Where)
	text("workspace", line.Workspace)
	text("connection", line.Connection)
	text("delivery", line.Delivery)
	text("message", line.Message)
	text("reason", line.Reason)
	text("trace", line.Trace)
	text("route", line.Route)
	number("status", line.Status)
	number("bytes", line.Bytes)
	number("items", line.Items)
	if len(line.Missing) > 0 {
		r.AddAttrs(slog.Any("missing_headers", line.Missing))
	}
	if line.Secrets != nil {
		r.AddAttrs(slog.Int("secrets", *line.Secrets))
	}
	r.AddAttrs(slog.Float64("ms", float64(line.Duration.Microseconds())/1000))
	r.AddAttrs(metrics(now, line.Counts)...)
	// A line that can't be written has nowhere to be reported; the item counts all the same.
	_ = l.handler.Handle(ctx, r)
}

type directive struct {
	Namespace  string
	Dimensions [][]string
	Metrics    []metric
}

type metric struct {
	Name Metric
	Unit string
}

// metrics gives the attributes of the embedded metric format.
func metrics(now time.Time, counts []Count) []slog.Attr {
	var attrs []slog.Attr
	var names []metric
	for _, c := range counts {
		if c.N != 0 {
			names = append(names, metric{c.Metric, "Count"})
			attrs = append(attrs, slog.Int(string(c.Metric), c.N))
		}
	}
	if len(names) == 0 {
		return nil
	}
	return append(attrs, slog.Group("_aws",
		slog.Int64("Timestamp", now.UnixMilli()),
		slog.Any("CloudWatchMetrics", []directive{{Namespace, [][]string{{"stage"}}, names}})))
}

// code is the short name of an error: AWS's own code, or the kind of time-out.
func code(err error) string {
	var api interface{ ErrorCode() string }
	switch {
	case errors.As(err, &api):
		return strings.Map(func(r rune) rune {
			if r < 128 && (r == '.' || r == '_' || r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z') {
				return r
			}
			return -1
		}, api.ErrorCode()[:min(64, len(api.ErrorCode()))])
	case errors.Is(err, context.DeadlineExceeded):
		return "DeadlineExceeded"
	case errors.Is(err, context.Canceled):
		return "Canceled"
	}
	return ""
}

// Where tells, from within a deferred function that recovered, which source line
// panicked. The panic's value is left alone: it may quote a body.
func Where() string {
	var pcs [64]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs[:])])
	panicking := false
	for {
		f, more := frames.Next()
		if panicking && !strings.HasPrefix(f.Function, "runtime.") {
			return f.File[strings.LastIndexByte(f.File, '/')+1:] + ":" + strconv.Itoa(f.Line)
		}
		panicking = panicking || f.Function == "runtime.gopanic"
		if !more {
			return "unknown"
		}
	}
}
