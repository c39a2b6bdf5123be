package workspace_test

import (
	"fmt"
	"strings"
)

func scan(reason string, line, column *int) (int, error) {
	return fmt.Sscanf(reason, "line %d, column %d:", line, column)
}

// refused are mistakes: testdata/whole.yaml with from replaced by to, where the
// reason points, and what it says.
var refused = []struct{ name, from, to, stands, want string }{
	{"no policies", "quiet_hours:", "quiet:", "quiet:", `policies has no key "quiet"; allowed are quiet_hours, caps`},
	{"time of day", `to: "08:00"`, `to: "24:00"`, `"24:00"`, `"to" can't be "24:00"; write a time of day`},
	{"time of day incomplete", `"21:00"`, `"9:00"`, `"9:00"`, `"from" can't be "9:00"`},
	{"quiet half", `, to: "08:00"`, ``, `{from`, `policies: quiet_hours lacks "to"`},
	{"quiet never", `to: "08:00"`, `to: "21:00"`, `"21:00"}`, `would be none or all`},
	{"cap of nothing", "at_most: 3", "at_most: 0", "0", `"at_most" can't be "0"; write a whole number from 1 to 100`},
	{"cap in quotes", "at_most: 3", `at_most: "3"`, `"3"`, "without quotes"},
	{"cap fraction", "at_most: 3", `at_most: 2.5`, `2.5`, "whole number"},
	{"cap without span", ", within: 7d", "", "{channel", `policies: a cap lacks "within"`},
	{"cap too far back", "within: 7d", "within: 32d", "32d", "use at most 31d"},
	{"cap twice", "{at_most: 1, within: 90min}", "{channel: ses, at_most: 1, within: 1w}", "{channel", "the same messages and span as number 1"},
	{"cap of no channel", "channel: ses", "channel: sms", "sms", `policies: there is no channel "sms"; write ses`},
	{"cap purpose", "purpose: marketing, at", "purpose: ads, at", "ads", `"purpose" can't be "ads"; write marketing, transactional or confirmation`},
	{"caps no list", "  caps:\n    - {channel: ses, purpose: marketing, at_most: 3, within: 7d}\n    - {at", "  caps: {at", "{at", `"caps" must be a list`},
	{"duration", "duplicates: 24h", "duplicates: 1 day", "1 day", `"duplicates" can't be "1 day"; write a whole number and min, h, d or w`},
	{"duration of nothing", "duplicates: 24h", "duplicates: 0d", "0d", `can't be "0d"`},
	{"window of no channel", "click: {ses: 5d}", "click: {zalo: 5d}", "5d", `there is no channel "zalo"`},
	{"window empty", "click: {ses: 5d}", "click: {ses: }", "ses", `lacks its span`},

	{"pool's name", "come-back-10: {", "Come_Back: {", "Come_Back", `voucher "Come_Back": its name stands in events and URLs`},
	{"pool's key", "come-back-10: {about", "come-back-10: {abuot", "abuot", `voucher "come-back-10" has no key "abuot"`},

	{"template without connection", "    connection: email\n    purpose: marketing", "    purpose: marketing", "come-back:", `template "come-back" lacks "connection"`},
	{"template of no connection", "connection: email", "connection: mail", "mail", `template "come-back": there is no connection "mail"; write email`},
	{"template of a shop", "connection: email", "connection: shop", "shop", `connection "shop" is of till, which sends no messages`},
	{"template of staff", "connection: email", "connection: clerk", "clerk", `sends no messages`},
	{"purpose", "purpose: marketing\n", "purpose: promo\n", "promo", `template "come-back": "purpose" can't be "promo"`},
	{"language", "pt-BR:", "pt-br:", "pt-br", `write the language "pt-br" as pt-BR`},
	{"no language", "pt-BR:", "portuguese:", "portuguese", `there is no language "portuguese"`},
	{"locale without content", "locale: vi", "locale: en", "en", `it must be one of the contents, for whom no other fits: write pt-BR or vi`},
	{"no subject", "{subject: Olá, text: Chá novo}", "{text: Chá novo}", "pt-BR", `template "come-back": content "pt-BR" lacks its subject`},
	{"no body", "{subject: Olá, text: Chá novo}", "{subject: Olá}", "pt-BR", `content "pt-BR" is empty; give it html:, text: or both`},
	{"body no text", "text: Chá novo", "text: [a]", "[a]", `"text" must be a text`},
	{"no contents", "contents: {en: {subject: Please confirm, html: '<a href=\"{{ links.confirm }}\">Yes</a>'}}", "contents: {}", "confirm-newsletter", `lacks "contents"`},
	{"sample", "traits.first_name: Lan", "Lan: a", "Lan", `"Lan" is no variable of a template`},

	{"no trigger", "    trigger: {entered: lapsed, when: 'has(traits.city)'}\n", "", "come-back:", `journey "come-back" lacks "trigger"`},
	{"trigger of nothing", "{entered: lapsed, when: 'has(traits.city)'}", "{}", "come-back:", `journey "come-back" lacks "trigger"`},
	{"trigger empty", "{entered: lapsed, when: 'has(traits.city)'}", "{when: x}", "{when", `says nothing; write entered, left, event, date or api`},
	{"two triggers", "{entered: lapsed, when", "{entered: lapsed, left: lapsed, when", "{entered", `has entered and left; a trigger is one of them`},
	{"trigger's segment", "entered: lapsed", "entered: gone", "gone", `journey "come-back": there is no segment "gone"; write lapsed`},
	{"leaving what is not", "left: lapsed", "left: gone", "gone", `journey "left": there is no segment "gone"`},
	{"api never", "api: true", "api: false", "false", "write true, or remove the line"},
	{"api in quotes", "api: true", "api: 'true'", "'true'", "write true, or remove the line"},
	{"our own event", "event: message.clicked", "event: message.click", "message.click", `"event" can't be "message.click"; of these there are order.placed`},
	{"date", `at: "09:00"}}`, `at: nine}}`, "nine", "time of day"},
	{"date without trait", "trait: birthday, ", "", "{before", `date lacks "trait"`},
	{"re-entry", "re_entry: never", "re_entry: no", "no", "write never, always or {after: 60d}"},
	{"re-entry after", "{after: 60d}", "{after: soon}", "soon", `re_entry: "after" can't be "soon"`},
	{"re-entry empty", "{after: 60d}", "{}", "{}", `re_entry lacks "after"`},
	{"holdout of all", "holdout: 10", "holdout: 100", "100", "from 0 to 99"},
	{"goal", "{event: order.placed, within: 14d}", "{within: 14d}", "{within", `goal lacks "event"`},
	{"exit no text", `exit: '"blocked" in tags'`, "exit: [a]", "[a]", `"exit" must be a text`},
	{"no steps", "steps: [{voucher: come-back-10}, {send: come-back}]}\n  called", "steps: []}\n  called", "[]", `journey "birthday" has no step`},
	{"step of no kind", "[{voucher: come-back-10}, {send", "[{id: ten}, {send", "{id", `a step says nothing`},
	{"step of two kinds", "{exit: true}]\n          else", "{exit: true, send: come-back}]\n          else", "{exit", `has send and exit; a step does one thing`},
	{"id like a place", "- id: start", "- id: 3", "3", "beginning with a letter"},
	{"goto nowhere", "goto: start", "goto: begin", "begin", `there is no step of the outermost list with the id "begin"; write start`},
	{"template unknown", "{send: come-back}]}", "{send: comeback}]}", "comeback", `journey "come-back": there is no template "comeback"; write come-back or confirm-newsletter`},
	{"pool unknown", "{voucher: come-back-10}", "{voucher: ten}", "ten", `there is no voucher "ten"; write come-back-10 or spare`},
	{"shares", "share: 60", "share: 50", "- {name: a", "the shares of a split make 90; they must make 100"},
	{"variant twice", "{name: b,", "{name: a,", "a,", `there are two variants "a"`},
	{"variant of nobody", "{name: b,", "{name: holdout,", "holdout", "choose another name"},
	{"wait", "wait: 3d", "wait: 3", "3", `"wait" can't be "3"`},
	{"wait for nothing", `wait: {until: "09:00"}`, `wait: {}`, "{}", "wait says nothing"},
	{"wait_for without end", "          timeout: 2d\n", "", "event", `wait_for lacks "timeout"`},
	{"branch without rule", "          when: orders.count > 3\n", "", "then", `branch lacks "when"`},
	{"branch nowhere", "          then: [{exit: true}]\n          else:\n            - goto: start\n", "", "when", "branch goes nowhere"},
	{"tag twice", "{add: won-back}", "{add: won-back, remove: lapsed}", "{add", "tag has add and remove; make two steps of it"},
	{"task", "title: Call her, ", "", "{note", `task lacks "title"`},
	{"too deep", "[{voucher: come-back-10}", "[" + deep(6) + ", {voucher: come-back-10}", "{branch: {when: x, then: [{exit: true}]}}]}}]", "deeper than 6 lists"},
	{"too many", "steps: [{voucher: come-back-10}, {send: come-back}]}\n  called", "steps: [" + strings.Repeat("{exit: true}, ", 100) + deep2(101) + "]}\n  called", "{exit", "has more than 200 steps"},

	{"destination of no connection", "connection: hubspot", "connection: crm", "crm", `destination "crm": there is no connection "crm"; write hubspot`},
	{"destination of a shop", "connection: hubspot", "connection: shop", "shop", `connection "shop" is of till, which nothing is written back to`},
	{"property", "loophub_revenue:", "Loophub revenue:", "Loophub revenue", "of letters, digits and _"},
	{"property empty", "email: traits.email,", "email: ,", ",", "must be an expression"},
	{"property no text", "email: traits.email,", "email: [a],", "[a]", "must be an expression"},
	{"properties empty", "{email: traits.email, loophub_revenue: 'outcome.net(\"VND\")'}", "{}", "crm", `destination "crm" lacks "properties"`},
	{"no properties", "    properties: {email: traits.email, loophub_revenue: 'outcome.net(\"VND\")'}\n", "", "crm", `destination "crm" lacks "properties"`},
}

// deep is a step that lies so many lists below.
func deep(n int) string {
	if n == 0 {
		return "{exit: true}"
	}
	return "{branch: {when: x, then: [" + deep(n-1) + "]}}"
}

// deep2 is a step with so many more below it.
func deep2(n int) string {
	return "{branch: {when: x, then: [" + strings.Repeat("{exit: true}, ", n) + "]}}"
}
