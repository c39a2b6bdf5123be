package matrix

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"loophub/infra/local/ses"
	"loophub/infra/local/sim"
)

const hello = `
segments:
  newsletter: {when: 'consent("email:marketing")'}
templates:
  hello: {connection: email, purpose: marketing, locale: vi, contents: {vi: {subject: Chào, text: Chào bạn}}}
journeys:
  hello:
    trigger: {entered: newsletter}
    re_entry: always
    steps: [{send: hello}, {wait: 30min}, {task: {title: Call}}]
`

// quiet adds hours in which nothing is sent: those in which the theme begins.
const quiet = hello + `
policies:
  quiet_hours: {from: "08:00", to: "15:00"}
  caps: [{channel: ses, purpose: marketing, at_most: 1, within: 7d}]
`

func hours(s *stand) {
	s.shop("customers/create", "c1", consented(1, "Lan", "lan@example.vn"))
	s.get("/v1/forecast")
	s.pass(8 * time.Hour)
	s.once(http.MethodPost, "/v1/messages/test", `{"template":"hello"}`)
}

// stops: an operator stops the sending, a journey and a destination, and lets them go on.
func stops(s *stand) {
	put := func(what, body string) { s.ask(http.MethodPut, "/v1/controls/"+what, body) }
	put("journeys/hello", `{"paused":true}`)
	s.shop("customers/create", "c1", consented(1, "Lan", "lan@example.vn"))
	put("sends", `{"stopped":true}`)
	put("journeys/hello", `{"paused":false}`)
	put("destinations/crm", `{"paused":true}`)
	s.shop("customers/update", "c2", strings.Replace(consented(1, "Lan Anh", "lan@example.vn"), `"updated_at":"2026-10-03`, `"updated_at":"2026-10-13`, 1))
	put("sends", `{"stopped":false}`)
	put("destinations/crm", `{"paused":false}`)
	s.get("/v1/controls/history")
}

// confirmed has a form whose tick has to be confirmed.
var confirmed = strings.Replace(base, "form: brewing-guide", "confirm: \"yes\"", 1) + `
segments:
  newsletter: {when: 'consent("email:marketing")'}
templates:
  confirm: {connection: email, purpose: confirmation, locale: vi, contents: {vi: {subject: Xác nhận, html: '<a href="{{ links.confirm }}">Xác nhận</a>'}}}
  hello: {connection: email, purpose: marketing, locale: vi, contents: {vi: {subject: Chào, html: '<a href="https://tra-sen.example/tra">Trà</a> <a href="{{ links.preferences }}">x</a>'}}}
journeys:
  opt-in: {trigger: {event: consent.asked}, re_entry: always, steps: [{send: confirm}]}
  hello: {trigger: {entered: newsletter}, re_entry: always, steps: [{send: hello}]}
`

// mails: a tick is confirmed; a mail is opened, clicked, its address bounces; its reader chooses and leaves.
func mails(s *stand) {
	s.form("email", "lan@example.vn", "newsletter", "on")
	m := s.mail("lan@example.vn")
	s.visit(http.MethodGet, s.link(m, 0))
	s.visit(http.MethodPost, s.link(m, 0))
	m = s.mail("lan@example.vn")
	// What the function remembers of the workspace grows old while the others are served.
	for _, one := range []struct {
		link string
		then time.Duration
	}{{s.link(m, 0), time.Minute - 200*time.Millisecond}, {s.link(m, 0), time.Minute + 100*time.Millisecond}, {s.link(m, 1), 0}, {unsubscribe(m), 0}} {
		s.follow(http.MethodGet, one.link)
		s.Pass(one.then)
	}
	s.pass(unhurried)
	s.visit(http.MethodPost, unsubscribe(m))
	s.tells(s.Cloud.Outbox().Complain(m.ID))
	s.tells(s.Cloud.Outbox().Bounce(m.ID, true))
}

// slowMessages hold up links between two looks at the workspace.
func slowMessages(p sim.Point) sim.Fault {
	if p.Function == "links" && p.Site == "shared/aws/hub.Workspace.Message" && p.Nth > 1 {
		return sim.Fault{Kind: sim.Slow, For: 300 * time.Millisecond}
	}
	return sim.Fault{}
}

// unsubscribe is the link of a mail's header by which its reader leaves.
func unsubscribe(m ses.Mail) string {
	for _, h := range m.Headers {
		if h.Name == "List-Unsubscribe" {
			return strings.Trim(h.Value, "<>")
		}
	}
	return front
}

// crm: people are written to HubSpot, changed by us and by people there, and what we wrote comes back.
func crm(s *stand) {
	s.hubspot.Edit("hoa@example.vn", map[string]string{"lastname": "Lê"})
	s.hubspot.Edit("mai@example.vn", map[string]string{"lastname": "Vũ"})
	s.shop("customers/create", "c1", consented(1, "Lan", "lan@example.vn"))
	s.shop("orders/create", "o1", order(1, 5, "lan@example.vn", consented(1, "Lan", "lan@example.vn"), 450_000, ""))
	s.hubspot.Edit("lan@example.vn", map[string]string{"city": "Huế"})
	s.pass(unhurried)
	s.shops(telling{"customers/create", "c2", customer(2, "Hoa", "hoa@example.vn", "")}, telling{"customers/create", "c3", customer(3, "Mai", "mai@example.vn", "")})
}

const asking = `
vouchers:
  ten: {about: Ten per cent off}
templates:
  table: {connection: email, purpose: transactional, locale: vi, contents: {vi: {subject: 'Bàn {{ event.table | default: "?" }}', text: Hẹn gặp}}}
journeys:
  table: {trigger: {api: true}, re_entry: always, steps: [{send: table}, {wait: 6h}, {voucher: ten}, {send: table}, {task: {title: Ring}}]}
`

// asked: a script asks for entries, and the journey is edited while somebody is inside.
func asked(s *stand) {
	s.ask(http.MethodPost, "/v1/vouchers/ten/codes", `{"codes":["TEN-1","TEN-2"]}`)
	l := []telling{{"customers/create", "c1", customer(1, "Lan", "lan@example.vn", "")}}
	for n := range 9 { // more addresses than are kept
		hoa := customer(2, "Hoa", fmt.Sprintf("hoa-%d@example.vn", n), "")
		l = append(l, telling{"customers/update", fmt.Sprint("u", n), strings.Replace(hoa, `"updated_at":"2026-10-03`, fmt.Sprintf(`"updated_at":"2026-10-1%d`, n), 1)})
	}
	s.shops(l...)
	for n, profile := range s.profiles() {
		s.start(http.MethodPost, "/v1/journeys/table/entries", fmt.Sprintf(`{"profile":%q,"id":"A-%d","properties":{"table":"7"}}`, profile, n))
	}
	s.pass(unhurried)
	s.define(strings.Replace(base+asking, "title: Ring", "title: Write", 1))
	s.get("/v1/forecast")
	s.ask(http.MethodPost, "/v1/events", fmt.Sprintf(`{"name":"tasting.booked","id":"b-17","profile":%q,"properties":{"guests":"2"}}`, s.profile("lan@example.vn")))
	s.pass(12 * time.Hour)
}

// editedInside lets the function that knows the journey as it was die when it goes on after the edit.
func editedInside(p sim.Point) sim.Fault {
	if p.Caller == "functions/journey.work.again" && strings.HasSuffix(p.Site, ".Entry") && p.Nth <= 2 {
		return sim.Fault{Kind: sim.DieBefore}
	}
	return sim.Fault{}
}

// dated takes a city for a day: no connector tells birthdays yet.
var dated = base + `
templates:
  table: {connection: email, purpose: transactional, locale: vi, contents: {vi: {subject: Chúc mừng, text: Chúc mừng sinh nhật}}}
journeys:
  birthday: {trigger: {date: {trait: city, before: 3d, at: "09:00"}}, re_entry: always, steps: [{send: table}]}
`

// birthday: somebody has a birthday soon.
func birthday(s *stand) {
	s.form("email", "lan@example.vn", "city", "1990-10-29")
	s.pass(72 * time.Hour)
}

func greeted(s *stand) {
	s.shop("customers/create", "c1", customer(1, "Lan", "lan@example.vn", ""))
	lan := s.profile("lan@example.vn")
	s.tell(telling{"customers_email_marketing_consent/update", "w1", subscribed})
	s.Pass(time.Minute)
	s.get("/v1/profiles/" + lan + "/messages")
	s.once(http.MethodPost, "/v1/messages/test", `{"template":"hello"}`)
	s.pass(12 * time.Hour)
}

// busyMail lets SES be too busy for the first mail and the test, and the claims of both be hard to give back; a mail that
// was sent is hard to note.
func busyMail(p sim.Point) sim.Fault {
	switch {
	case p.Service == "ses" && (p.Nth == 1 || p.Nth == 3),
		p.Caller == "functions/message.work.releaseOnce" && p.Operation == "TransactWriteItems" && p.Nth <= 3,
		p.Caller == "functions/message.work.commit" && p.Nth <= 3:
		return sim.Fault{Kind: sim.Throttle}
	}
	return sim.Fault{}
}

// lost lets the answer to the first mail get lost, and the note of that.
func lost(p sim.Point) sim.Fault {
	if p.Service == "ses" && p.Nth == 1 {
		return sim.Fault{Kind: sim.DieAfter}
	}
	return sim.Fault{}
}

// spilled: the Inbox takes nothing for a while, neither small nor large.
func spilled(s *stand) {
	s.shop("customers/create", "c1", customer(1, "Lan", "lan@example.vn", ""))
	s.shop("customers/update", "c2", customer(1, "Lan", "lan@example.vn", `,"note":"`+noise(300<<10)+`"`))
	s.shop("customers/update", "c3", customer(1, "Lan", "lan@example.vn", `,"note":"`+noise(500<<10)+`"`))
}

// retried: unify can't read for a while, and its deliveries go the way of the retry queue.
func retried(s *stand) {
	s.shop("customers/create", "c3", customer(1, "Lan", "lan@example.vn", `,"note":"`+noise(500<<10)+`"`))
	s.shop("customers/update", "c1", customer(1, "Lan", "lan@example.vn", ""))
}

// stale: what functions remember of definitions grows old while they work.
func stale(s *stand) {
	soon := func(l ...telling) {
		s.tell(l...)
		s.Pass(58 * time.Second)
	}
	soon(telling{"customers/create", "c1", customer(1, "Lan", "lan@example.vn", "")})
	soon(telling{"customers/create", "c2", customer(2, "Hoa", "hoa@example.vn", "")})
	s.pass(unhurried)
	soon(telling{"customers/create", "c3", customer(3, "Mai", "mai@example.vn", "")})
	soon(telling{"orders/create", "o1", order(1, 5, "lan@example.vn", "", 450_000, "")})
}

// slowControls holds up what stands between two looks at the definition.
func slowControls(p sim.Point) sim.Fault {
	if p.Caller == "functions/unify.Stage.paused" && p.Nth%2 == 0 {
		return sim.Fault{Kind: sim.Slow, For: 5 * time.Second}
	}
	return sim.Fault{}
}

// pausedShop: a connection is paused, and what it received is taken in afterwards; somebody replays what is parked.
func pausedShop(s *stand) {
	s.ask(http.MethodPut, "/v1/controls/connections/shop", `{"paused":true}`)
	s.shop("customers/create", "c1", customer(1, "Lan", "lan@example.vn", ""))
	s.pass(25 * time.Hour)
	s.shop("customers/create", "c2", customer(2, "Hoa", "hoa@example.vn", ""))
	s.ask(http.MethodPut, "/v1/controls/connections/shop", `{"paused":false}`)
	s.shop("locations/create", "l1", `{"id":1}`)
	s.ask(http.MethodPost, "/v1/deliveries/replay", `{"connection":"shop","class":"unknown_topic"}`)
}

// reviewed: a segment is edited, and everybody is looked at anew.
func reviewed(s *stand) {
	s.shop("customers/create", "c1", consented(1, "Lan", "lan@example.vn"))
	s.define(base + strings.Replace(simple, "first-time: {when: orders.count == 1}", "nobody-yet: {when: orders.count == 0}", 1))
	s.pass(unhurried)
}

// operator: somebody looks at all that the API shows.
func operator(s *stand) {
	s.ask(http.MethodPost, "/v1/vouchers/ten/codes", `{"codes":["TEN-1","TEN-2"]}`)
	s.shop("customers/create", "c1", consented(1, "Lan", "lan@example.vn"))
	s.shop("orders/create", "o1", s.recent(order(1, 24, "lan@example.vn", consented(1, "Lan", "lan@example.vn"), 405_000, "")))
	s.shop("locations/create", "l1", `{"id":1}`)
	one := "/v1/profiles/" + s.profile("lan@example.vn")
	var message string
	if l, _ := s.get(one + "/messages")["messages"].([]any); len(l) > 0 {
		m, _ := l[0].(map[string]any)
		message = fmt.Sprint(m["id"])
	}
	for _, path := range []string{
		one + "/timeline", one + "/tasks", one + "/why?segment=newsletter", one + "/why?journey=gift", one + "/why?message=" + message,
		one + "/why?segment=newsletter&at=" + s.Now().Add(-time.Hour).UTC().Format(time.RFC3339),
		"/v1/journeys", "/v1/journeys/gift/report", "/v1/forecast", "/v1/controls", "/v1/controls/history", "/v1/vouchers/ten", "/healthz",
		"/v1/deliveries", "/v1/deliveries?connection=shop&status=received", "/v1/deliveries?connection=shop&status=parked",
	} {
		s.get(path)
	}
	l, _ := s.get("/v1/deliveries?connection=shop&status=parked")["deliveries"].([]any)
	for _, d := range l {
		one, _ := d.(map[string]any)
		s.ask(http.MethodPost, fmt.Sprint("/v1/deliveries/", one["key"], "/replay"), "")
	}
}
