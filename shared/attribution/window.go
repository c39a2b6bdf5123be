package attribution

import (
	"time"

	"loophub/shared/workspace"
)

// The windows of whoever names none.
const (
	defaultClick   = 5 * 24 * time.Hour
	defaultVoucher = 30 * 24 * time.Hour
)

// Windows say how long after a touch or an entry an order counts.
type Windows struct {
	Click   map[string]time.Duration // by connection
	Voucher time.Duration
	Goals   map[string]time.Duration // by journey: the time that its goal gives for an order
}

// WindowsOf reads them off a definition.
func WindowsOf(w workspace.Workspace) Windows {
	a := w.Policies.Attribution
	out := Windows{Click: map[string]time.Duration{}, Voucher: a.Voucher, Goals: map[string]time.Duration{}}
	for name, c := range w.Connections {
		out.Click[name] = a.Click[c.Connector]
	}
	for name, j := range w.Journeys {
		if j.Goal != nil && j.Goal.Event == "order.placed" && j.Goal.Within > 0 {
			out.Goals[name] = j.Goal.Within
		}
	}
	return out
}

// click is how long after a click on a message of a connection.
func (w Windows) click(connection string) int64 {
	if d := w.Click[connection]; d > 0 {
		return d.Milliseconds()
	}
	return defaultClick.Milliseconds()
}

// voucher is how long after a code was sent or given.
func (w Windows) voucher() int64 {
	if w.Voucher > 0 {
		return w.Voucher.Milliseconds()
	}
	return defaultVoucher.Milliseconds()
}

// entry is how long after an entry into a journey: as long as its goal waits for
// an order, else as a voucher counts, which is the longest that a message has.
func (w Windows) entry(journey string) int64 {
	if d := w.Goals[journey]; d > 0 {
		return d.Milliseconds()
	}
	return w.voucher()
}
