//go:build unix

package store

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"loophub/infra/local/journal"
)

// list is a part that keeps texts in order.
type list struct {
	texts []string
	broke string // a text that it does not take
}

func (l *list) Dump(write func([]byte) error) error {
	for _, s := range l.texts {
		if err := write([]byte(s)); err != nil {
			return err
		}
	}
	return nil
}

func (l *list) Load(record []byte) error {
	if string(record) == l.broke && l.broke != "" {
		return errors.New("can't read that")
	}
	l.texts = append(l.texts, string(record))
	return nil
}

// opened is a store with two parts.
type opened struct {
	*Store
	a, b           list
	intoA, intoB   journal.Journal
	lines          []string
	attach, refuse string // the second part's name, and what the first does not take
}

func open(dir string) (*opened, error) { return (&opened{attach: "b"}).open(dir) }

func (o *opened) open(dir string) (*opened, error) {
	var err error
	if o.Store, err = Open(dir, func(line string) { o.lines = append(o.lines, line) }); err != nil {
		return nil, err
	}
	o.a.broke = o.refuse
	o.intoA = o.Attach("a", &o.a)
	if o.attach != "" {
		o.intoB = o.Attach(o.attach, &o.b)
	}
	if err = o.Start(); err != nil {
		o.Close()
	}
	return o, err
}

func must(t *testing.T, dir string) *opened {
	t.Helper()
	o, err := open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func (o *opened) add(t *testing.T, j journal.Journal, texts ...string) {
	t.Helper()
	for _, s := range texts {
		if err := j.Append([]byte(s)); err != nil {
			t.Fatal(err)
		}
	}
}

func (o *opened) holds(t *testing.T, a, b string) {
	t.Helper()
	if got := strings.Join(o.a.texts, " "); got != a {
		t.Errorf("a is %q, want %q", got, a)
	}
	if got := strings.Join(o.b.texts, " "); got != b {
		t.Errorf("b is %q, want %q", got, b)
	}
}

func (o *opened) close(t *testing.T) {
	t.Helper()
	if err := o.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestKeeps(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "folder")
	o := must(t, dir)
	if !o.Fresh() {
		t.Error("a new folder is not fresh")
	}
	big := strings.Repeat("x", 3<<20)
	o.add(t, o.intoA, "one", "", big)
	o.add(t, o.intoB, "two")
	o.add(t, o.intoA, "three")
	o.close(t)
	for range 2 { // from the log, then from what compaction made of it
		o = must(t, dir)
		if o.Fresh() || len(o.lines) > 0 {
			t.Errorf("fresh %v, lines %q", o.Fresh(), o.lines)
		}
		o.holds(t, "one  "+big+" three", "two")
		o.close(t)
	}
	if err := o.intoA.Append(nil); !errors.Is(err, ErrClosed) {
		t.Errorf("after closing: %v", err)
	}
}

// TestCompaction: what a part no longer dumps is gone from the file, and what nobody attached stays in it.
func TestCompaction(t *testing.T) {
	dir := t.TempDir()
	o := must(t, dir)
	o.add(t, o.intoA, "one", "two")
	o.add(t, o.intoB, "kept")
	o.close(t)
	long := size(t, dir)
	forgetful, err := (&opened{refuse: ""}).open(dir) // without b
	if err != nil {
		t.Fatal(err)
	}
	forgetful.holds(t, "one two", "")
	forgetful.add(t, forgetful.intoA, "three")
	forgetful.close(t)
	o = must(t, dir)
	o.holds(t, "one two three", "kept")
	o.a.texts = nil
	o.close(t)
	o = must(t, dir)
	o.holds(t, "one two three", "kept")
	o.a.texts = []string{"all in one"}
	if err := o.compact(); err != nil {
		t.Fatal(err)
	}
	o.close(t)
	if n := size(t, dir); n >= long {
		t.Errorf("%d bytes, before %d", n, long)
	}
	must(t, dir).holds(t, "all in one", "kept")
}

func size(t *testing.T, dir string) int64 {
	t.Helper()
	info, err := os.Stat(filepath.Join(dir, logName))
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

// written makes a folder with three records and returns the file and where its records begin.
func written(t *testing.T) (dir string, text []byte, starts []int) {
	t.Helper()
	dir = t.TempDir()
	o := must(t, dir)
	for _, s := range []string{"first", "second", "the last of them"} {
		starts = append(starts, int(o.size))
		o.add(t, o.intoA, s)
	}
	starts = append(starts, int(o.size))
	o.close(t)
	text, err := os.ReadFile(filepath.Join(dir, logName))
	if err != nil || len(text) != starts[3] {
		t.Fatalf("%v, %d bytes, want %d", err, len(text), starts[3])
	}
	return dir, text, starts
}

func put(t *testing.T, dir string, text []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, logName), text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestTornTail cuts the file at every byte of the last record, and then lets the rest be zeroes or other bytes, as a
// power cut may.
func TestTornTail(t *testing.T) {
	dir, text, starts := written(t)
	last := starts[2]
	for end := last; end < len(text); end++ {
		tails := [][]byte{nil}
		if end%8 == 0 {
			tails = append(tails, make([]byte, 100), bytes.Repeat(magic, 20), text[:starts[1]])
		}
		for _, tail := range tails {
			put(t, dir, slices.Concat(text[:end], tail))
			o := must(t, dir)
			o.holds(t, "first second", "")
			cut := end - last + len(tail)
			want := fmt.Sprintf("its last %d bytes are cut off, from offset %d on", cut, last)
			if (cut > 0) != (len(o.lines) == 1) || cut > 0 && !strings.Contains(o.lines[0], want) {
				t.Fatalf("end %d, tail %d: %q, want %q", end, len(tail), o.lines, want)
			}
			o.add(t, o.intoA, "afterwards")
			o.close(t)
			o = must(t, dir)
			o.holds(t, "first second afterwards", "")
			if len(o.lines) > 0 {
				t.Fatalf("cut twice: %q", o.lines)
			}
			o.close(t)
		}
	}
}

// TestFlippedBits: a bit that turns before the last record is found, wherever it is, and nothing is read or changed.
func TestFlippedBits(t *testing.T) {
	dir, text, starts := written(t)
	for at := range starts[3] {
		for bit := range 8 {
			if at >= starts[2] && bit > 0 {
				break // one is enough to tear a record
			}
			damaged := bytes.Clone(text)
			damaged[at] ^= 1 << bit
			put(t, dir, damaged)
			o, err := open(dir)
			if at >= starts[2] { // which is as if the last record were torn
				if err != nil || len(o.lines) != 1 {
					t.Fatalf("bit %d of byte %d of the last record: %v %q", bit, at, err, o.lines)
				}
				o.holds(t, "first second", "")
				o.close(t)
				continue
			}
			if err == nil {
				t.Fatalf("bit %d of byte %d: the file is taken", bit, at)
			}
			where := ""
			for _, s := range starts[:2] {
				if at >= s {
					where = fmt.Sprintf("it is damaged at offset %d, and there are whole records from offset", s)
				}
			}
			if text := err.Error(); !strings.Contains(text, where) || !strings.Contains(text, filepath.Join(dir, logName)) {
				t.Fatalf("bit %d of byte %d: %v, want %q", bit, at, err, where)
			}
			after, err := os.ReadFile(filepath.Join(dir, logName))
			if err != nil || !bytes.Equal(after, damaged) {
				t.Fatalf("bit %d of byte %d: the refused file has changed (%v)", bit, at, err)
			}
		}
	}
}

// TestACopyIsNoRecord: a record that holds a copy of the file, as an object in S3 may, is torn as any other.
func TestACopyIsNoRecord(t *testing.T) {
	dir, text, starts := written(t)
	put(t, dir, text)
	o := must(t, dir)
	file, err := os.ReadFile(filepath.Join(dir, logName))
	if err != nil {
		t.Fatal(err)
	}
	o.add(t, o.intoA, string(file[starts[0]:]))
	n := o.size
	o.close(t)
	if err := os.Truncate(filepath.Join(dir, logName), n-1); err != nil {
		t.Fatal(err)
	}
	must(t, dir).holds(t, "first second the last of them", "")
}

func TestRefusals(t *testing.T) {
	dir, text, starts := written(t)
	_, rest, _ := bytes.Cut(text, []byte("\n"))
	for name, c := range map[string]struct {
		text []byte
		want string
	}{
		"a later format":   {slices.Concat([]byte("loophub-data 2 with more of everything\n"), rest), "format version 2, and this program knows version 1"},
		"another file":     {[]byte("once upon a time\n"), "does not begin as a file of Loophub's data does"},
		"an empty file":    {nil, "does not begin as"},
		"a cut header":     {[]byte("loophub-data\n"), "does not begin as"},
		"no salt":          {slices.Concat([]byte("loophub-data 1 12 34\n"), rest), "its header is damaged"},
		"a header only":    {[]byte("loophub-data 1\n"), "its header is damaged"},
		"another's header": {slices.Concat(salt{1}.header(), text[starts[0]:]), ""}, // nothing in it is of that file
	} {
		put(t, dir, c.text)
		o, err := open(dir)
		if c.want == "" {
			if err != nil || len(o.lines) != 1 {
				t.Errorf("%s: %v %q", name, err, o.lines)
			} else {
				o.close(t)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), filepath.Join(dir, logName)) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	put(t, dir, text)
	if _, err := (&opened{attach: "b", refuse: "second"}).open(dir); err == nil ||
		!strings.Contains(err.Error(), fmt.Sprintf("the record at offset %d: a: can't read that", starts[1])) {
		t.Errorf("a record that its part refuses: %v", err)
	}
	must(t, dir).holds(t, "first second the last of them", "")
}

// TestOneAtATime: a second process is refused, and so is a second store of the same process.
func TestOneAtATime(t *testing.T) {
	dir := t.TempDir()
	if os.Getenv(childDir) != "" {
		child()
		return
	}
	o := must(t, dir)
	want := fmt.Sprintf("another process uses it: pid %d", os.Getpid())
	if _, err := Open(dir, nil); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), dir) {
		t.Errorf("the same process: %v, want %q", err, want)
	}
	if out := run(t, dir, 0); !strings.Contains(out, want) {
		t.Errorf("another process: %s, want %q", out, want)
	}
	o.close(t)
	if out := run(t, dir, 0); !strings.Contains(out, "kept 100") {
		t.Errorf("after closing: %s", out)
	}
}

const (
	childDir   = "LOOPHUB_TEST_DATA"
	childLimit = "LOOPHUB_TEST_LIMIT"
)

// run starts this test in another process, which appends a hundred records, with a limit on the size of files.
func run(t *testing.T, dir string, limit uint64) string {
	t.Helper()
	c := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestOneAtATime$")
	c.Env = append(os.Environ(), childDir+"="+dir, fmt.Sprint(childLimit, "=", limit))
	out, _ := c.CombinedOutput() // what it says is looked at
	return string(out)
}

func child() {
	var limit uint64
	if _, err := fmt.Sscan(os.Getenv(childLimit), &limit); err == nil && limit > 0 {
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: limit, Max: limit}); err != nil {
			fmt.Println(err)
			return
		}
	}
	o, err := open(os.Getenv(childDir))
	if err != nil {
		fmt.Println(err)
		return
	}
	kept := 0
	for n := range 100 {
		err := o.intoA.Append(fmt.Appendf(nil, "n%d", n))
		if err == nil {
			kept++
		} else if kept == n {
			fmt.Println(err)
		}
	}
	select {
	case <-o.Failed():
		fmt.Println("failed:", o.Err())
	default:
	}
	fmt.Println("kept", kept)
}

// TestFullDisk lets the disk be full in the middle of a record, at every byte of two of them: what was acknowledged is
// there afterwards, what was not is not, and nothing was written after the hole.
func TestFullDisk(t *testing.T) {
	empty := t.TempDir()
	must(t, empty).close(t)
	first := size(t, empty)
	const frame = frameHead + 1 + 1 + 2 // "a" and "n0"
	for limit := first; limit <= first+2*frame; limit++ {
		dir := t.TempDir()
		out := run(t, dir, uint64(limit))
		whole := int(limit-first) / frame
		if !strings.Contains(out, fmt.Sprint("kept ", whole)) || !strings.Contains(out, "failed: keeping what changed: writing") ||
			!strings.Contains(out, "file too large") {
			t.Fatalf("limit %d: %s", limit, out)
		}
		o := must(t, dir)
		o.holds(t, strings.Join([]string{"n0", "n1"}[:whole], " "), "")
		o.close(t)
	}
}

// TestFullDiskAtStart: when the new file can't be written the old one stays.
func TestFullDiskAtStart(t *testing.T) {
	dir, text, _ := written(t)
	if out := run(t, dir, uint64(len(text)/2)); !strings.Contains(out, newName) || !strings.Contains(out, "file too large") {
		t.Errorf("started: %s", out)
	}
	must(t, dir).holds(t, "first second the last of them", "")
}

// unsynced is a file whose disk is gone.
type unsynced struct{ file }

func (unsynced) Sync() error { return errors.New("input/output error") }

// TestFailedSync: what the disk did not take, the operating system may have forgotten; nothing is acknowledged any more.
func TestFailedSync(t *testing.T) {
	o := must(t, t.TempDir())
	defer o.Close()
	o.add(t, o.intoA, "one")
	o.out = unsynced{o.out}
	o.flush()
	<-o.Failed()
	if err := o.intoB.Append(nil); err == nil || !strings.Contains(err.Error(), "input/output error") {
		t.Errorf("after a failed sync: %v", err)
	}
}

// BenchmarkAppend is what a call waits for.
func BenchmarkAppend(b *testing.B) {
	o, err := open(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	defer o.Close()
	record := bytes.Repeat([]byte("x"), 1100)
	b.SetBytes(int64(len(record)))
	for b.Loop() {
		if err := o.intoA.Append(record); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkAppendSync is what it would wait for if each call had the disk to itself.
func BenchmarkAppendSync(b *testing.B) {
	o, err := open(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	defer o.Close()
	record := bytes.Repeat([]byte("x"), 1100)
	for b.Loop() {
		if err := o.intoA.Append(record); err != nil {
			b.Fatal(err)
		}
		if err := o.out.Sync(); err != nil {
			b.Fatal(err)
		}
	}
}
