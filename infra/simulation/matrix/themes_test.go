package matrix

import (
	"fmt"
	"net/http"

	"loophub/infra/local/sim"
)

// theme is a small story. Together they reach every place from which a stage calls.
type theme struct {
	file string // the workspace
	live func(s *stand)
	// reads: it goes on with what stands in a mail, which nobody has where it is unknown whether it was sent.
	reads bool
	// weather is what goes wrong in it by itself: some places are reached only then.
	weather func(sim.Point) sim.Fault
}

func themes() map[string]theme {
	return map[string]theme{
		"orders":    {file: base + simple, live: orders},
		"links":     {file: base + simple, live: linked},
		"many ways": {file: base + hello + writes, live: manyWays},
		"histories": {file: base + long + writes, live: histories},
		"gifts":     {file: base + gift + writes, live: gifts, reads: true},
		"hours":     {file: base + quiet, live: hours},
		"stops":     {file: base + hello + writes, live: stops},
		"mails":     {file: confirmed, live: mails, reads: true, weather: slowMessages},
		"crm":       {file: base + simple + writes, live: crm},
		"asked":     {file: base + asking, live: asked, weather: editedInside},
		"birthday":  {file: dated, live: birthday},
		"stale":     {file: base + simple, live: stale, weather: slowControls},
		"busy mail": {file: base + hello, live: greeted, weather: busyMail},
		"lost mail": {file: base + hello, live: greeted, weather: lost},
		"spilled":   {file: base + simple, live: spilled, weather: refuse("dynamodb", 1, 20, sim.Throttle, "functions/ingest.handling.attempt")},
		"retried":   {file: base + simple, live: retried, weather: refuse("dynamodb", 1, 9, sim.Unavailable, "functions/unify.Unifier.Settle")},
		"paused":    {file: base + simple, live: pausedShop},
		"reviewed":  {file: base + simple, live: reviewed},
		"operator":  {file: base + gift, live: operator},
	}
}

// refuse refuses calls of a service, from the nth to the mth, by callers or by anybody.
func refuse(service string, from, to int, k sim.Kind, callers ...string) func(sim.Point) sim.Fault {
	return func(p sim.Point) sim.Fault {
		if p.Service == service && p.Nth >= from && p.Nth <= to && (len(callers) == 0 || callers[0] == p.Caller) {
			return sim.Fault{Kind: k}
		}
		return sim.Fault{}
	}
}

const simple = `
segments:
  first-time: {when: orders.count == 1}
  newsletter: {when: 'consent("email:marketing")'}
`

// orders: a customer orders, the order is changed, told again and refunded.
func orders(s *stand) {
	lan := consented(1, "Lan", "lan@example.vn")
	s.shop("customers/create", "c1", lan)
	s.shop("orders/create", "o1", order(1, 5, "lan@example.vn", lan, 450_000, ""))
	s.shop("orders/updated", "o2", order(1, 6, "lan@example.vn", lan, 480_000, ""))
	s.shop("orders/create", "o1", order(1, 5, "lan@example.vn", lan, 450_000, ""))
	s.shop("refunds/create", "r1", refund(1, 1, 100_000))
	s.shop("locations/create", "l1", `{"id":1}`)
}

// linked: guests and a customer turn out to be one, and one of them is taken apart again; an address that two have is
// withdrawn.
func linked(s *stand) {
	s.shop("orders/create", "o1", order(1, 5, "lan@example.vn", "", 450_000, ""))
	s.form("email", "lan@example.vn", "phone", "0912345678", "newsletter", "on")
	s.shop("customers/create", "c1", consented(1, "Lan", "lan@example.vn"))
	s.shop("customers/create", "c2", customer(2, "Hoa", "hoa@example.vn", ""))
	s.ask(http.MethodPost, "/v1/profiles/merge", fmt.Sprintf(`{"profiles":[%q,%q]}`, s.profile("lan@example.vn"), s.profile("hoa@example.vn")))
	s.shop("customers_email_marketing_consent/update", "w1", `{"customer_id":7001,"email_address":"lan@example.vn",
		"email_marketing_consent":{"state":"unsubscribed","opt_in_level":"single_opt_in","consent_updated_at":"2026-10-24T09:13:02+07:00"}}`)
	s.ask(http.MethodPost, "/v1/profiles/"+s.profile("lan@example.vn")+"/unmerge", `{"connection":"shop","customer":"7002"}`)
}

// manyWays: somebody who came by three ways, and is one, consents.
func manyWays(s *stand) {
	s.shop("orders/create", "o1", order(1, 5, "lan@example.vn", "", 450_000, ""))
	s.form("email", "lan@example.vn", "phone", "0912345678")
	s.shop("customers/create", "c1", customer(1, "Lan", "lan@example.vn", ""))
	s.shop("customers_email_marketing_consent/update", "w1", subscribed)
}

// subscribed is what the shop tells of a customer who consents.
const subscribed = `{"customer_id":7001,"email_address":"lan@example.vn",
	"email_marketing_consent":{"state":"subscribed","opt_in_level":"single_opt_in","consent_updated_at":"2026-10-24T09:13:02+07:00"}}`

const long = `
segments:
  newsletter: {when: 'consent("email:marketing")'}
  spenders: {when: 'orders.within("300d").net("VND") >= 1250000'}
templates:
  hello: {connection: email, purpose: marketing, locale: vi, contents: {vi: {subject: Chào, text: Chào bạn}}}
journeys:
  hello: {trigger: {entered: newsletter}, re_entry: always, goal: {event: order.placed, within: 14d}, steps: [{send: hello}]}
  spenders:
    trigger: {entered: spenders, when: 'orders.within("300d").net("VND") >= 1200000'}
    re_entry: always
    steps:
      - branch: {when: 'orders.within("200d").net("VND") > 5000000', then: [{task: {title: Call}}], else: [{tag: {add: some}}]}
      - wait: 1d
`

const writes = `
destinations:
  crm:
    connection: crm
    properties: {email: traits.email, firstname: traits.first_name, loophub_segments: segments, loophub_last_result: campaign.result, loophub_orders: 'orders.within("300d").count'}
`

// histories: after a mail more orders than a fragment holds, of which an old one changes.
func histories(s *stand) {
	lan := consented(1, "Lan", "lan@example.vn")
	s.shop("customers/create", "c1", lan)
	var l []telling
	for n := 1; n <= 13; n++ {
		l = append(l, telling{"orders/create", fmt.Sprint("o", n), s.recent(order(n, n, "lan@example.vn", "", 100_000, `,"customer":{"id":7001}`))})
	}
	s.shops(l...)
	s.shop("refunds/create", "r1", refund(1, 1, 10_000))
	s.get("/v1/profiles/" + s.profile("lan@example.vn") + "/why?segment=spenders")
	s.shop("orders/create", "o14", s.recent(order(14, 24, "lan@example.vn", "", 100_000, `,"customer":{"id":7001}`)))
}

const gift = `
segments:
  newsletter: {when: 'consent("email:marketing")'}
policies:
  attribution: {click: {ses: 5d}, voucher: 30d}
vouchers:
  ten: {about: Ten per cent off}
templates:
  ten:
    connection: email
    purpose: marketing
    locale: vi
    sample: {traits.first_name: Lan, voucher.code: TEN-TEST}
    contents: {vi: {subject: Chào, html: '<a href="https://tra-sen.example/tra">{{ voucher.code }}</a>'}}
journeys:
  gift:
    trigger: {entered: newsletter}
    re_entry: always
    goal: {event: order.placed, within: 14d}
    steps:
      - voucher: ten
      - send: ten
      - wait_for: {event: message.clicked, timeout: 2d, then: [{tag: {add: reads}}], else: [{task: {title: Call her}}]}
`

// gifts: who consents gets a mail with a voucher, reads it, and buys.
func gifts(s *stand) {
	s.ask(http.MethodPost, "/v1/vouchers/ten/codes", `{"codes":["TEN-1"]}`)
	s.shop("customers/create", "c1", consented(1, "Lan", "lan@example.vn"))
	m := s.mail("lan@example.vn")
	s.tells(s.Cloud.Outbox().Open(m.ID))
	s.visit(http.MethodGet, s.link(m, 0))
	codes := `,"discount_codes":[{"code":"TEN-1","amount":"45000","type":"percentage"},{"code":"OWN-1","amount":"0","type":"percentage"}]`
	s.shop("orders/create", "o1", s.recent(order(1, 24, "lan@example.vn", consented(1, "Lan", "lan@example.vn"), 405_000, codes)))
	s.visit(http.MethodPost, unsubscribe(m))
}
