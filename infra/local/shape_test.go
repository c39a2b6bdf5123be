package local

import (
	"go/parser"
	"go/token"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"loophub/infra/local/clock"
)

// What every service may build upon; all else of ours is wired in this package, through small interfaces.
var ground = []string{"clock", "dispatch", "journal", "meter", "pattern", "retry", "work"}

func TestServicesDoNotKnowEachOther(t *testing.T) {
	const local = "loophub/infra/local/"
	files, err := filepath.Glob("*/*.go")
	if err != nil {
		t.Fatal(err)
	}
	read := 0
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		read++
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		own := filepath.Dir(file)
		if own == "awstest" || own == "runtimeapi" || own == "sim" || own == "stage" {
			continue // they use the cloud, they are no service of it
		}
		for _, i := range parsed.Imports {
			path, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			to, within := strings.CutPrefix(path, local)
			room, _, _ := strings.Cut(to, "/")
			switch {
			case strings.HasPrefix(path, "loophub/") && !within:
				t.Errorf("%s imports %s: the local cloud knows nothing of what runs in it", file, path)
			case within && room != own && !slices.Contains(ground, room):
				t.Errorf("%s imports %s: services meet in package local only", file, path)
			case strings.Contains(path, "aws-sdk-go-v2/service"):
				t.Errorf("%s imports %s: a service speaks its protocol itself, else the SDK would test the SDK", file, path)
			}
		}
	}
	if read < 20 {
		t.Errorf("only %d files read", read)
	}
}

// A cloud on the wall clock runs in a bubble: it opens no sockets, and whatever waits, waits on channels and timers. So
// a driver can own all of its time.
func TestTheWallClockRunsInABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorldOn(t, clock.Wall(), nil)
		if resp := w.post("o1"); resp.StatusCode != http.StatusAccepted {
			t.Fatalf("webhook answered with %d", resp.StatusCode)
		}
		synctest.Wait()
		if !w.known("o1") {
			t.Error("at rest and not unified")
		}
		w.post("later 1")
		w.post("hopeless 1")
		time.Sleep(2*time.Minute + time.Second) // the bubble's time
		synctest.Wait()
		w.mu.Lock()
		swept := len(w.swept)
		w.mu.Unlock()
		if swept != 2 {
			t.Errorf("swept %d times in two minutes", swept)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if n := count(w.batches, "retry hopeless 1"); n != 5 {
			t.Errorf("a hopeless message was received %d times, want 5", n)
		}
	})
}
