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

// ClickFor is how long an order counts after a click on a message of a connection.
func (w Windows) ClickFor(connection string) time.Duration {
	if d := w.Click[connection]; d > 0 {
		return d
	}
	return defaultClick
}

// VoucherFor is how long it counts after its code was sent or given.
func (w Windows) VoucherFor() time.Duration {
	if w.Voucher > 0 {
		return w.Voucher
	}
	return defaultVoucher
}

// EntryFor is how long it counts after an entry into a journey: as long as its
// goal waits for an order, else as a voucher counts, which is the longest that a
// message has by default.
func (w Windows) EntryFor(journey string) time.Duration {
	if d := w.Goals[journey]; d > 0 {
		return d
	}
	return w.VoucherFor()
}
