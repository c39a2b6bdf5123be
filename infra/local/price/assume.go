package price

import (
	_ "embed"
	"errors"
	"fmt"

	"loophub/infra/local/meter"
)

// Assumptions are what can't be counted here: how long things take on AWS, and how often pollers ask in vain.
type Assumptions struct {
	About string `json:"about"`
	CPU   struct {
		Run      Taken `json:"run"`
		Call     Taken `json:"call"`
		Kilobyte Taken `json:"kilobyte"`
	} `json:"cpu"`
	Whole struct {
		Megabytes int    `json:"megabytes"`
		Why       string `json:"why"`
		Page      string `json:"page"`
	} `json:"whole"`
	Calls   []Latency `json:"calls"`
	Pollers struct {
		Count   int    `json:"count"`
		Seconds int    `json:"seconds"`
		Why     string `json:"why"`
		Page    string `json:"page"`
	} `json:"pollers"`
	Month struct {
		Hours int `json:"hours"`
	} `json:"month"`

	latency map[call]int
}

// Taken is an allowance of time.
type Taken struct {
	Microseconds int    `json:"microseconds"`
	Why          string `json:"why"`
}

// Latency is how long a call takes.
type Latency struct {
	Service      string `json:"service"`
	Operation    string `json:"operation"` // "" for all of the service
	Microseconds int    `json:"microseconds"`
}

type call struct{ service, operation string }

//go:embed assumptions.json
var assumptions []byte

// Assume gives the assumptions that lie beside this code.
func Assume() (Assumptions, error) { return ReadAssumptions(assumptions) }

// ReadAssumptions reads assumptions.
func ReadAssumptions(text []byte) (Assumptions, error) {
	a := Assumptions{latency: map[call]int{}}
	if err := strict(text, &a); err != nil {
		return a, fmt.Errorf("reading assumptions: %w", err)
	}
	for _, l := range a.Calls {
		a.latency[call{l.Service, l.Operation}] = l.Microseconds
	}
	if a.Whole.Megabytes <= 0 || a.Pollers.Seconds <= 0 || a.Month.Hours <= 0 || len(a.latency) != len(a.Calls) {
		return a, errors.New("reading assumptions: one is missing, or a call stands there twice")
	}
	return a, nil
}

// waits tells whether a function waits for a use, and how long.
func (a Assumptions) waits(k meter.Key) (microseconds int, does bool, err error) {
	switch k.Service {
	case meter.Invoked, meter.Logged, meter.Scheduled, meter.Polled:
		return 0, false, nil
	}
	for _, c := range []call{{k.Service, k.Operation}, {k.Service, ""}} {
		if n, ok := a.latency[c]; ok {
			return n, true, nil
		}
	}
	return 0, false, fmt.Errorf("nobody has said how long %s:%s takes", k.Service, k.Operation)
}

// halfRound is what rounding each run up to a whole millisecond adds on average.
const halfRound = 500

// Time is how long a function's runs took together, in microseconds, as they are billed. It takes its calls one after
// another, and has as much of a CPU as comes with its memory.
func (a Assumptions) Time(used meter.Sheet, megabytes int) (microseconds int, err error) {
	cpu, waited, runs := 0, 0, 0
	for k, u := range used {
		n, does, err := a.waits(k)
		if err != nil {
			return 0, err
		}
		if does {
			waited += u.Calls * n
			cpu += u.Calls * a.CPU.Call.Microseconds
		}
		if k.Service == meter.Invoked {
			runs += u.Calls
			cpu += u.Calls*a.CPU.Run.Microseconds + u.Bytes*a.CPU.Kilobyte.Microseconds/1000
		}
	}
	share := min(megabytes, a.Whole.Megabytes)
	return cpu*a.Whole.Megabytes/share + waited + runs*halfRound, nil
}
