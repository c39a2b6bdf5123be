package dynamodb

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
)

// TestTreeIsASortedMap compares the tree with a map after every change, growing first and shrinking then.
func TestTreeIsASortedMap(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	var tr tree[int]
	model := map[string]int{}
	for step := 1; step <= 40000; step++ {
		k := strconv.Itoa(r.IntN(5000))
		if removing := step > 20000; r.IntN(4) == 0 != removing {
			tr.delete(k)
			delete(model, k)
		} else {
			tr.set(k, step)
			model[k] = step
		}
		if tr.len != len(model) {
			t.Fatalf("step %d: %d keys, want %d", step, tr.len, len(model))
		}
		if v, ok := tr.get(k); ok != (model[k] != 0) || v != model[k] {
			t.Fatalf("step %d: %s is %d, %v, want %d", step, k, v, ok, model[k])
		}
		if step%400 == 0 {
			compareRanges(t, r, &tr, model)
			balanced(t, tr.root, true)
		}
	}
}

func compareRanges(t *testing.T, r *rand.Rand, tr *tree[int], model map[string]int) {
	t.Helper()
	from, to := strconv.Itoa(r.IntN(5000)), strconv.Itoa(r.IntN(5000))
	if r.IntN(4) == 0 {
		to = ""
	}
	var want []string
	for k := range model {
		if k >= from && (to == "" || k < to) {
			want = append(want, k)
		}
	}
	slices.Sort(want)
	var up, down []string
	tr.ascend(from, to, func(k string, _ int) bool { up = append(up, k); return true })
	tr.descend(from, to, func(k string, _ int) bool { down = append(down, k); return true })
	slices.Reverse(down)
	if !slices.Equal(up, want) || !slices.Equal(down, want) {
		t.Fatalf("%s to %s: %d keys up, %d down, want %d", from, to, len(up), len(down), len(want))
	}
	if len(want) > 1 {
		count := 0
		tr.ascend(from, to, func(string, int) bool { count++; return count < 2 })
		if count != 2 {
			t.Fatalf("a visit that stops after 2 keys saw %d", count)
		}
	}
}

// balanced checks the sizes of branches and that all leaves lie at one depth, which it returns.
func balanced(t *testing.T, b *branch[int], root bool) int {
	t.Helper()
	if b == nil {
		return 0
	}
	if n := len(b.entries); n > maxEntries || !root && n < minEntries {
		t.Fatalf("a branch of %d entries", n)
	}
	if b.leaf() {
		return 1
	}
	if len(b.kids) != len(b.entries)+1 {
		t.Fatalf("%d children beside %d entries", len(b.kids), len(b.entries))
	}
	depth := balanced(t, b.kids[0], false)
	for _, k := range b.kids[1:] {
		if d := balanced(t, k, false); d != depth {
			t.Fatalf("leaves at depths %d and %d", depth, d)
		}
	}
	return depth + 1
}
