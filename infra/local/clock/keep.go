package clock

import (
	"time"

	"loophub/infra/local/journal"
)

// jump is how far a clock is ahead of its base, and what it then showed.
type jump struct {
	Offset time.Duration
	At     time.Time
}

// Dump implements journal.Part.
func (o *Offset) Dump(write func(record []byte) error) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return journal.Write(write, jump{o.offset, o.now()})
}

// Load implements journal.Part. The clock takes up the offset that it had, and shows no time before what it has shown,
// even if its base has been put back meanwhile.
func (o *Offset) Load(record []byte) error {
	var j jump
	if err := journal.Read(record, &j); err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.offset, o.at = j.Offset, j.At
	if gap := j.At.Sub(o.now()); gap > 0 {
		o.offset += gap
	}
	return nil
}
