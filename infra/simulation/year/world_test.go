package year

import (
	"container/heap"
	"hash/fnv"
	"math/rand/v2"
	"time"
)

// The year of the simulation, Unix ms.
var (
	begins = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()
	ends   = time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()
)

const (
	second = int64(1000)
	minute = 60 * second
	hour   = 60 * minute
	day    = 24 * hour
)

// outage is a time in which nothing that is due comes. What was due comes after it.
type outage struct{ from, until int64 }

var outages = []outage{
	{at(2026, 3, 29, 0, 10), at(2026, 3, 29, 6, 40)}, // the night in which Berlin's clocks leap
	{at(2026, 7, 14, 12, 0), at(2026, 7, 14, 12, 25)},
	{at(2026, 11, 2, 1, 0), at(2026, 11, 3, 5, 0)},
}

// stopped is when operators let no message out: longer than a message may be old.
var stopped = outage{at(2026, 6, 8, 9, 0), at(2026, 6, 11, 21, 30)}

func (o outage) holds(t int64) bool { return o.from <= t && t < o.until }

func at(year int, month time.Month, d, h, m int) int64 {
	return time.Date(year, month, d, h, m, 0, 0, time.UTC).UnixMilli()
}

// arrival is when something that is due reaches its stage: with the next minute's
// sweep, at times some minutes later, after an outage all in its own time. It is a
// function, so that checks can say whether a delay was the world's.
func arrival(what string, due int64) int64 {
	h := fnv.New64a()
	h.Write([]byte(what))
	luck := rand.New(rand.NewPCG(h.Sum64(), uint64(due)))
	t := (due+minute-1)/minute*minute + luck.Int64N(20*second)
	switch n := luck.IntN(200); {
	case n < 4:
		t += luck.Int64N(9 * minute)
	case n < 5:
		t += 11*minute + luck.Int64N(40*minute)
	}
	for _, o := range outages {
		if o.holds(t) {
			t = o.until + luck.Int64N(15*minute)
		}
	}
	return t
}

// excused tells whether the world may still keep back at now what was due.
func excused(due, now int64) bool {
	for _, o := range outages {
		if o.from <= due+hour && due < o.until && now <= o.until+hour {
			return true
		}
	}
	return now-due <= hour
}

// moment is something that is to happen.
type moment struct {
	at, order int64
	do        func()
}

type moments []moment

func (m moments) Len() int { return len(m) }
func (m moments) Less(i, j int) bool {
	return m[i].at < m[j].at || m[i].at == m[j].at && m[i].order < m[j].order
}
func (m moments) Swap(i, j int) { m[i], m[j] = m[j], m[i] }
func (m *moments) Push(x any)   { *m = append(*m, x.(moment)) }
func (m *moments) Pop() any {
	last := (*m)[len(*m)-1]
	(*m)[len(*m)-1] = moment{}
	*m = (*m)[:len(*m)-1]
	return last
}

// clock lets moments come in their order.
type clock struct {
	now   int64
	count int64
	queue moments
}

func (c *clock) at(t int64, do func()) {
	c.count++
	heap.Push(&c.queue, moment{max(t, c.now), c.count, do})
}

func (c *clock) time() time.Time { return time.UnixMilli(c.now).UTC() }

// run lets everything happen until the year is over.
func (c *clock) run() {
	for len(c.queue) > 0 && c.queue[0].at < ends {
		next := heap.Pop(&c.queue).(moment)
		c.now = next.at
		next.do()
	}
	c.now = ends
}
