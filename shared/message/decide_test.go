package message

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"loophub/events"
	"loophub/shared/profile"
	"loophub/shared/workspace"
)

const address = "lan@example.vn"

var rules = profile.NewRules([]byte("0123456789abcdef0123456789abcdef"), []string{"shop@tra-sen.example"}, nil)

func identifier(a string) string {
	return rules.Key.Identifier(profile.Identifier{Kind: profile.Email, Value: a})
}

// allowed is a case that nothing speaks against.
func allowed() Case {
	w := sound()
	x := w.Templates["t"]
	return Case{Workspace: w, Template: &x, Rules: rules,
		Request: Request{ID: NewID(now, "1"), Fragment: lan, Connection: "email", Template: "t", Purpose: workspace.Marketing, Journey: "j", At: now.UnixMilli()},
		View: profile.View{ID: lan, Traits: map[string]profile.Register{"email": {Value: events.Text(address)}},
			Consent: map[string]profile.Consent{"email:marketing": {Granted: 5}}},
		Identities: map[string]profile.Identity{identifier(address): {}}}
}

func stopped(subject string) func(*Case) {
	return func(c *Case) {
		c.Identities[identifier(address)] = profile.Identity{Stops: map[string]profile.Consent{subject: {Withdrawn: 5}}}
	}
}

func purpose(p workspace.Purpose) func(*Case) {
	return func(c *Case) {
		x := *c.Template
		x.Purpose, c.Template, c.Request.Purpose = p, &x, p
		if p == workspace.Confirmation {
			c.View.Consent = nil
		}
	}
}

func sentAgo(template string, p workspace.Purpose, ago ...time.Duration) func(*Case) {
	return func(c *Case) {
		for i, d := range ago {
			c.Sends = append(c.Sends, Sends{List: []Send{{Message: fmt.Sprint(template, p, i), Template: template, Channel: "ses", Purpose: p, At: now.Add(-d).UnixMilli()}}})
		}
	}
}

func trait(name, v string) func(*Case) {
	return func(c *Case) { c.View.Traits[name] = profile.Register{Value: events.Text(v)} }
}

func TestDecide(t *testing.T) {
	const week = 7 * day
	for name, c := range map[string]struct {
		change []func(*Case)
		want   Reason
	}{
		"nothing speaks against it":  {nil, Allowed},
		"all stopped":                {[]func(*Case){func(c *Case) { c.Controls.StopAll = true }}, Stopped},
		"journey paused":             {[]func(*Case){func(c *Case) { c.Controls.Journey = true }}, JourneyPaused},
		"connection paused":          {[]func(*Case){func(c *Case) { c.Controls.Connection = true }}, ConnectionPaused},
		"three days old":             {[]func(*Case){func(c *Case) { c.Request.At = now.Add(-stale).UnixMilli() }}, Allowed},
		"older":                      {[]func(*Case){func(c *Case) { c.Request.At = now.Add(-stale - time.Second).UnixMilli() }}, Stale},
		"no connection":              {[]func(*Case){func(c *Case) { c.Request.Connection = "mail" }}, NoChannel},
		"a shop":                     {[]func(*Case){func(c *Case) { c.Request.Connection = "shop" }}, NoChannel},
		"no template":                {[]func(*Case){func(c *Case) { c.Template = nil }}, NoTemplate},
		"another's template":         {[]func(*Case){func(c *Case) { c.Template.Connection = "mail" }}, NoTemplate},
		"marketing as transactional": {[]func(*Case){func(c *Case) { c.Request.Purpose = workspace.Transactional }}, NoTemplate},
		"an unknown purpose":         {[]func(*Case){purpose("spam")}, NoTemplate},
		"no address":                 {[]func(*Case){func(c *Case) { delete(c.View.Traits, "email") }}, NoAddress},
		"one known address": {[]func(*Case){func(c *Case) {
			delete(c.View.Traits, "email")
			c.View.Identities = []profile.Known{{Kind: profile.Phone, Value: "+84903117428"}, {Kind: profile.Email, Value: address}}
		}}, Allowed},
		"two known addresses": {[]func(*Case){func(c *Case) {
			delete(c.View.Traits, "email")
			c.View.Identities = []profile.Known{{Kind: profile.Email, Value: "a@example.vn"}, {Kind: profile.Email, Value: address}}
		}}, NoAddress},
		"what is no address":         {[]func(*Case){func(c *Case) { delete(c.View.Traits, "email") }, trait("email_invalid", "lan@")}, AddressInvalid},
		"a name with an address":     {[]func(*Case){trait("email", "Lan <lan@example.vn>\r\nBcc: x@example.vn")}, AddressInvalid},
		"the shop's own":             {[]func(*Case){trait("email", "shop@tra-sen.example")}, AddressDenied},
		"a placeholder":              {[]func(*Case){trait("email", "guest@haravan.com")}, AddressDenied},
		"shared":                     {[]func(*Case){func(c *Case) { c.Identities[identifier(address)] = profile.Identity{Shared: true} }}, AddressShared},
		"shared, but about an order": {[]func(*Case){purpose(workspace.Transactional), func(c *Case) { c.Identities[identifier(address)] = profile.Identity{Shared: true} }}, Allowed},
		"deleted":                    {[]func(*Case){trait("deleted", "true")}, Deleted},
		"bounced":                    {[]func(*Case){stopped("email:bounced")}, Bounced},
		"complained":                 {[]func(*Case){stopped("email:complained")}, Complained},
		"bounced, about an order":    {[]func(*Case){stopped("email:bounced"), purpose(workspace.Transactional)}, Bounced},
		"complained, to confirm":     {[]func(*Case){stopped("email:complained"), purpose(workspace.Confirmation)}, Complained},
		"unknown consent":            {[]func(*Case){func(c *Case) { c.View.Consent = nil }}, NoConsent},
		"another consent":            {[]func(*Case){func(c *Case) { c.View.Consent = map[string]profile.Consent{"sms:marketing": {Granted: 5}} }}, NoConsent},
		"withdrawn":                  {[]func(*Case){func(c *Case) { c.View.Consent["email:marketing"] = profile.Consent{Granted: 5, Withdrawn: 5} }}, Withdrawn},
		"withdrawn by the address":   {[]func(*Case){stopped("email:marketing")}, Withdrawn},
		"withdrawn, about an order":  {[]func(*Case){purpose(workspace.Transactional), func(c *Case) { c.View.Consent["email:marketing"] = profile.Consent{Withdrawn: 5} }}, Allowed},
		"confirm":                    {[]func(*Case){purpose(workspace.Confirmation)}, Allowed},
		"confirm what is given":      {[]func(*Case){purpose(workspace.Confirmation), func(c *Case) { c.View.Consent = map[string]profile.Consent{"email:marketing": {Granted: 5}} }}, AlreadyGiven},
		"confirm again":              {[]func(*Case){purpose(workspace.Confirmation), sentAgo("t", workspace.Confirmation, day-time.Second)}, Duplicate},
		"confirm next day":           {[]func(*Case){purpose(workspace.Confirmation), sentAgo("t", workspace.Confirmation, day)}, Allowed},
		"the same again":             {[]func(*Case){sentAgo("t", workspace.Marketing, day-time.Millisecond)}, Duplicate},
		"the same a day later":       {[]func(*Case){sentAgo("t", workspace.Marketing, day)}, Allowed},
		"the same as a test":         {[]func(*Case){sentAgo("t", Test, 1)}, Allowed},
		"two orders a day":           {[]func(*Case){purpose(workspace.Transactional), sentAgo("t", workspace.Transactional, 1)}, Allowed},
		"two of three":               {[]func(*Case){sentAgo("a", workspace.Marketing, 1, 2)}, Allowed},
		"three of three":             {[]func(*Case){sentAgo("a", workspace.Marketing, 1, 2, week-time.Millisecond)}, Capped},
		"one of them is out":         {[]func(*Case){sentAgo("a", workspace.Marketing, 1, 2, week)}, Allowed},
		"a clock ahead":              {[]func(*Case){sentAgo("a", workspace.Marketing, -time.Second, -time.Minute, 1)}, Capped},
		"of another purpose":         {[]func(*Case){sentAgo("a", workspace.Transactional, 1, 2, 3)}, Allowed},
		"itself does not count":      {[]func(*Case){func(c *Case) { c.Sends = []Sends{{List: []Send{c.Count(now)}}} }}, Allowed},
		"a copy counts once":         {[]func(*Case){sentAgo("a", workspace.Marketing, 1, 2), func(c *Case) { c.Sends = slices.Concat(c.Sends, c.Sends) }}, Allowed},
		"a test needs no consent": {[]func(*Case){func(c *Case) {
			c.Request.Purpose, c.Request.To, c.View = Test, "lan@tra-sen.example", profile.View{}
		}}, Allowed},
		"a test to anybody": {[]func(*Case){func(c *Case) { c.Request.Purpose, c.Request.To = Test, address }}, AddressDenied},
		"a test to nobody":  {[]func(*Case){func(c *Case) { c.Request.Purpose = Test }}, AddressInvalid},
	} {
		one := allowed()
		for _, change := range c.change {
			change(&one)
		}
		d := Decide(one, now)
		if d.Reason != c.want || d.Reason.Words() == "" {
			t.Errorf("%s: %+v", name, d)
		}
		if again := Decide(one, now); again != d {
			t.Errorf("%s: another answer the second time", name)
		}
		switch {
		case d.Reason == Allowed && (d.Verb != DoSend || d.Address == ""), d.Reason != Allowed && (d.Verb == DoSend || d.Address != ""):
			t.Errorf("%s: %+v", name, d)
		}
	}
}

// A case that says nothing at all sends nothing.
func TestNothingKnownSendsNothing(t *testing.T) {
	if d := Decide(Case{}, now); d.Verb != DoDrop {
		t.Error(d)
	}
	if _, err := (Message{Status: "odd"}).Drop(Stale, now); err == nil {
		t.Error("an unknown status moves on")
	}
}

func TestQuietHours(t *testing.T) {
	for _, c := range []struct{ zone, from, to, now, want string }{
		{"Asia/Ho_Chi_Minh", "21:00", "08:00", "2026-11-20T09:14:00+07:00", "2026-11-20T09:14:00+07:00"},
		{"Asia/Ho_Chi_Minh", "21:00", "08:00", "2026-11-20T20:59:59+07:00", "2026-11-20T20:59:59+07:00"},
		{"Asia/Ho_Chi_Minh", "21:00", "08:00", "2026-11-20T21:00:00+07:00", "2026-11-21T08:00:00+07:00"},
		{"Asia/Ho_Chi_Minh", "21:00", "08:00", "2026-11-20T07:59:59+07:00", "2026-11-20T08:00:00+07:00"},
		{"Asia/Ho_Chi_Minh", "12:00", "14:00", "2026-11-20T13:00:01+07:00", "2026-11-20T14:00:00+07:00"},
		// forward: 02:00 becomes 03:00 in Berlin on 29 March
		{"Europe/Berlin", "21:00", "08:00", "2026-03-28T23:00:00+01:00", "2026-03-29T08:00:00+02:00"},
		{"Europe/Berlin", "21:00", "02:30", "2026-03-29T01:00:00+01:00", "2026-03-29T03:00:00+02:00"}, // 02:30 never comes
		{"Europe/Berlin", "02:15", "02:45", "2026-03-29T01:59:00+01:00", "2026-03-29T01:59:00+01:00"}, // nor do these hours
		{"Europe/Berlin", "02:30", "05:00", "2026-03-29T03:00:00+02:00", "2026-03-29T05:00:00+02:00"}, // jumped into
		// back: 03:00 becomes 02:00 on 25 October
		{"Europe/Berlin", "21:00", "08:00", "2026-10-24T23:00:00+02:00", "2026-10-25T08:00:00+01:00"},
		{"Europe/Berlin", "21:00", "02:30", "2026-10-25T01:00:00+02:00", "2026-10-25T02:30:00+02:00"}, // the first 02:30
		{"Europe/Berlin", "21:00", "02:30", "2026-10-25T02:00:00+01:00", "2026-10-25T02:30:00+01:00"}, // quiet once more, until the second
		{"Europe/Berlin", "21:00", "02:30", "2026-10-25T02:40:00+02:00", "2026-10-25T02:40:00+02:00"},
		// a half-hour change, and a day that a country left out
		{"Australia/Lord_Howe", "21:00", "02:10", "2026-10-04T01:00:00+10:30", "2026-10-04T02:30:00+11:00"},
		{"Pacific/Apia", "21:00", "08:00", "2011-12-29T22:00:00-10:00", "2011-12-31T08:00:00+14:00"},
	} {
		zone, err := time.LoadLocation(c.zone)
		if err != nil {
			t.Fatal(err)
		}
		at, want := parsed(t, c.now), parsed(t, c.want)
		if got, ok := quietUntil(workspace.Quiet{From: c.from, To: c.to}, at, zone); !ok || !got.Equal(want) {
			t.Errorf("%s %s–%s at %s: until %s, not %s", c.zone, c.from, c.to, c.now, got.In(zone).Format(time.RFC3339), c.want)
		}
	}
}

func parsed(t *testing.T, s string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// Around changes of the clock, minute by minute: the moment given is the first
// that is not quiet.
func TestQuietHoursMinuteByMinute(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, name := range []string{"Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Ho_Chi_Minh", "Africa/Casablanca"} {
		zone, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		for range 60 {
			q := workspace.Quiet{From: fmt.Sprintf("%02d:%02d", r.IntN(24), r.IntN(60)), To: fmt.Sprintf("%02d:%02d", r.IntN(24), r.IntN(60))}
			from, _ := clock(q.From)
			to, _ := clock(q.To)
			if from == to {
				continue
			}
			_, change := time.Date(2026, time.Month(1+r.IntN(12)), 1+r.IntN(28), 0, 0, 0, 0, zone).ZoneBounds()
			if change.IsZero() {
				change = now
			}
			at := change.Add(time.Duration(r.IntN(3*24*60)-36*60) * time.Minute).Truncate(time.Minute)
			want := at
			for within(sinceMidnight(want.In(zone)), from, to) {
				want = want.Add(time.Minute)
			}
			if got, ok := quietUntil(q, at, zone); !ok || !got.Equal(want) {
				t.Errorf("%s %s–%s at %s: %s, not %s", name, q.From, q.To, at.In(zone), got.In(zone), want.In(zone))
			}
		}
	}
}

func TestQuietHoursOfAPerson(t *testing.T) {
	night := time.Date(2026, 11, 20, 15, 0, 0, 0, time.UTC) // 22:00 in Saigon, 16:00 in Berlin, 10:00 in New York
	for zone, want := range map[string]Verb{"": DoWait, "Europe/Berlin": DoSend, "../etc/passwd": DoWait, "Local": DoWait, "Nowhere/City": DoWait} {
		c := allowed()
		c.Request.At = night.UnixMilli()
		trait("timezone", zone)(&c)
		d := Decide(c, night)
		if d.Verb != want || want == DoWait && !d.Until.Equal(time.Date(2026, 11, 21, 1, 0, 0, 0, time.UTC)) {
			t.Errorf("%q: %+v", zone, d)
		}
		purpose(workspace.Transactional)(&c)
		if d := Decide(c, night); d.Verb != DoSend {
			t.Error("an order is confirmed late:", d)
		}
	}
	c := allowed()
	c.Workspace.Policies.Quiet = &workspace.Quiet{From: "?", To: "08:00"}
	if d := Decide(c, now); d.Verb != DoDrop {
		t.Error("hours that can't be read:", d)
	}
}

// Over random histories of several members, whatever the clocks show: no span of
// the cap's length ever holds more than it allows.
func TestCapsOverRandomHistories(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 7))
		c := allowed()
		c.Workspace.Policies = workspace.Policies{Duplicates: 1, Caps: []workspace.Cap{
			{Channel: "ses", AtMost: 1 + r.IntN(4), Within: time.Duration(1+r.IntN(72)) * time.Hour},
			{AtMost: 1 + r.IntN(8), Within: time.Duration(1+r.IntN(300)) * time.Hour}}}
		c.Sends = make([]Sends, 3)
		var sent []int64
		at := now
		for n := range 120 {
			at = at.Add(time.Duration(r.IntN(10*3600)) * time.Second)
			seen := at.Add(time.Duration(r.IntN(10)-5) * time.Second) // this worker's clock
			c.Request.ID, c.Request.Template, c.Request.At = fmt.Sprint(n), "t", seen.UnixMilli()
			if Decide(c, seen).Verb != DoSend {
				continue
			}
			i := r.IntN(3) // least member of the time
			c.Sends[i] = c.Sends[i].With(c.Count(seen))
			sent = append(sent, seen.UnixMilli())
		}
		for _, limit := range c.Workspace.Policies.Caps {
			for _, start := range sent {
				n := 0
				for _, s := range sent {
					if s >= start && s < start+limit.Within.Milliseconds() {
						n++
					}
				}
				if n > limit.AtMost {
					t.Fatalf("seed %d: %d within %s, where %d are allowed", seed, n, limit.Within, limit.AtMost)
				}
			}
		}
		if len(sent) == 0 {
			t.Fatal("nothing was sent at all")
		}
	}
}

func TestSendsAreBounded(t *testing.T) {
	var s Sends
	for n := range 2 * maxSends {
		s = s.With(Send{Message: fmt.Sprint(n), Channel: "ses", Purpose: workspace.Marketing, At: int64(n)})
		s = s.With(Send{Message: fmt.Sprint("x", n), Channel: "ses", Purpose: workspace.Transactional, At: int64(n)})
	}
	if len(s.List) != 2*maxSends || s.List[0].At != 2*maxSends-1 || s.List[len(s.List)-1].At != maxSends {
		t.Error(len(s.List), s.List[0], s.List[len(s.List)-1])
	}
	before := len(s.List)
	if again := s.With(s.List[0]); len(again.List) != before || len(s.Without("x1").List) != before {
		t.Error("a message counts twice")
	}
}

func TestStatuses(t *testing.T) {
	m := Message{Request: Request{ID: "1"}}
	if !m.Is(Requested) || !m.Open() {
		t.Error("what says nothing is not requested")
	}
	all := []Status{Requested, Waiting, Dropped, Claimed, Sent, Failed, Unknown}
	for _, from := range all {
		for _, to := range all {
			_, err := Message{Status: from}.to(to, "", now)
			if (err == nil) != slices.Contains(next[from], to) {
				t.Errorf("%s to %s: %v", from, to, err)
			}
		}
		if open := from == Requested || from == Waiting; (Message{Status: from}).Open() != open {
			t.Error(from)
		}
	}
	for _, end := range []Status{Sent, Dropped, Failed} {
		if len(next[end]) > 0 || !(Message{Status: end}).Announced() {
			t.Error(end)
		}
	}
	claimed, err := m.Claim(Rendered{Locale: "vi", Links: []string{"https://a.example/"}}, now)
	if err != nil {
		t.Fatal(err)
	}
	if l, ok := claimed.Link(1); !ok || l != "https://a.example/" {
		t.Error(l, ok)
	}
	for _, n := range []int{-1, 0, 2} {
		if _, ok := claimed.Link(n); ok {
			t.Error(n)
		}
	}
	released, err := claimed.Release(now)
	if err != nil || released.Links != nil || released.Claimed != 0 || !released.Open() {
		t.Error(released, err)
	}
}

func TestReconcile(t *testing.T) {
	fact := func(field, at string) events.Fact {
		return events.Fact{Fields: events.Fields{field: events.Text(at)}}
	}
	for name, c := range map[string]struct {
		facts []events.Fact
		want  Status
	}{
		"nothing":             {nil, Unknown},
		"what says nothing":   {[]events.Fact{fact("link", "https://a.example"), fact("opened_at", "soon")}, Unknown},
		"opened":              {[]events.Fact{fact("opened_at", "7"), fact("opened_at", "5")}, Sent},
		"bounced":             {[]events.Fact{fact("bounced_at", "7")}, Sent},
		"failed":              {[]events.Fact{fact("failed_at", "7")}, Failed},
		"failed, yet clicked": {[]events.Fact{fact("failed_at", "7"), fact("clicked_at", "9")}, Sent},
	} {
		for _, from := range []Status{Claimed, Unknown} {
			m, ok := Message{Status: from}.Reconcile(c.facts, now)
			if ok != (c.want != Unknown) || ok && m.Status != c.want {
				t.Errorf("%s: %s, %v", name, m.Status, ok)
			}
		}
		if m, ok := (Message{Status: Dropped}).Reconcile(c.facts, now); ok || m.Status != Dropped {
			t.Error("what was dropped comes back")
		}
	}
	if first := Engagement([]events.Fact{fact("opened_at", "7"), fact("opened_at", "5")}); first["opened_at"] != 5 {
		t.Error(first)
	}
}
