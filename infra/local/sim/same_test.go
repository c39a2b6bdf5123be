package sim_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"loophub/infra/local"
	"loophub/infra/local/sim"
)

// busy is a world in which much goes wrong, told as the digest of its trace and of what is stored in the end.
func busy(t *testing.T, seed uint64) (digest string, trace []sim.Step) {
	t.Helper()
	runSmall(t, sim.Config{Seed: seed, Record: true, Plan: sim.Chaos(seed, 8), Options: local.Options{Shards: 3}}, func(s *small) {
		for n := range 40 {
			s.Go(fmt.Sprint("sender ", n), func() {
				for {
					r := httptest.NewRequest(http.MethodPost, "/hooks/demo/shop", strings.NewReader(fmt.Sprint("order ", n)))
					r.Header.Set("Content-Type", "text/plain")
					if s.Send(r).StatusCode == http.StatusOK {
						return
					}
					s.Sleep(time.Duration(n+1) * time.Second)
				}
			})
		}
		s.Pass(30 * time.Minute)
		s.Calm()
		s.Pass(30 * time.Minute)
		for n := range 40 {
			if key := fmt.Sprint("order ", n); s.counted("InboxTable", key) == "0" || s.counted("HubTable", key) == "0" {
				t.Errorf("seed %d: %s was never counted", seed, key)
			}
		}
		digest, trace = s.Digest(), s.Trace()
	})
	return digest, trace
}

// digestsOf names the seeds whose digests a child process shall print.
const digestsOf = "LOOPHUB_SIM_DIGESTS"

// TestTheSameInAnyProcess: a world takes the same course each time, whatever the number of processors, and under the race
// detector too.
func TestTheSameInAnyProcess(t *testing.T) {
	const seeds = 4
	var digests []string
	for seed := range uint64(seeds) {
		digest, trace := busy(t, seed)
		again, retrace := busy(t, seed)
		if digest != again {
			t.Fatalf("seed %d: another course within one process: %s", seed, firstDifference(trace, retrace))
		}
		digests = append(digests, digest)
	}
	if os.Getenv(digestsOf) != "" {
		fmt.Println(strings.Join(digests, "\n"))
		return
	}
	if digests[0] == digests[1] {
		t.Error("two seeds take the same course")
	}
	others := map[string]*exec.Cmd{}
	for _, processors := range []string{"1", "2", "7"} {
		c := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$")
		c.Env = append(os.Environ(), "GOMAXPROCS="+processors)
		others[processors+" processors"] = c
	}
	if raced { // `make race` compares with a process that has no detector
		c := exec.CommandContext(t.Context(), "go", "test", "-count=1", "-v", "-run=^"+t.Name()+"$", ".")
		c.Env = os.Environ()
		others["no race detector"] = c
	}
	for name, c := range others {
		c.Env = append(c.Env, digestsOf+"=yes")
		out, err := c.CombinedOutput()
		if err != nil || !strings.Contains(string(out), strings.Join(digests, "\n")) {
			t.Errorf("%s: %v: want\n%s\ngot\n%s", name, err, strings.Join(digests, "\n"), out)
		}
	}
}

func firstDifference(a, b []sim.Step) string {
	for i := range min(len(a), len(b)) {
		if a[i].String() != b[i].String() {
			return fmt.Sprintf("\n%v\n%v", a[i], b[i])
		}
	}
	return fmt.Sprintf("%d steps, then %d", len(a), len(b))
}
