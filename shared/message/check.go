package message

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"golang.org/x/text/language"

	"loophub/shared/workspace"
)

const (
	maxTemplates = 500
	maxLocales   = 30
	maxCaps      = 20
	maxCap       = maxSends - 1 // messages; more are not remembered
	maxWithin    = 400 * day    // as long as sends are remembered
	maxRepeat    = 90 * day
	maxSamples   = 50
)

// Checks holds templates and policies against what can be sent, and calls refuse
// with every mistake: its path, line and column within the text there (0 = the
// value as a whole), and what to write instead.
func Checks(w workspace.Workspace, refuse workspace.Refuse) {
	c := check{w: w, refuse: refuse, voucher: withVoucher(w)}
	if len(w.Templates) > maxTemplates {
		c.whole("templates", "a workspace has at most %d templates", maxTemplates)
	}
	for _, name := range slices.Sorted(maps.Keys(w.Templates)) {
		c.template("templates."+name, name, w.Templates[name])
	}
	c.policies(w.Policies)
}

type check struct {
	w       workspace.Workspace
	refuse  func(path string, line, column int, reason string)
	voucher map[string]bool // templates before whose every send a voucher is taken
}

func (c check) whole(path, format string, args ...any) {
	c.refuse(path, 0, 0, fmt.Sprintf(format, args...))
}

func (c check) template(path, name string, t workspace.Template) {
	c.channel(path+".connection", t.Connection)
	switch t.Purpose {
	case workspace.Marketing, workspace.Transactional, workspace.Confirmation:
	default:
		c.whole(path+".purpose", "write marketing, transactional or confirmation")
	}
	if len(t.Contents) == 0 {
		c.whole(path+".contents", "there is no content; write one per language, such as vi:")
		return
	}
	if len(t.Contents) > maxLocales {
		c.whole(path+".contents", "a template has at most %d languages", maxLocales)
	}
	if _, ok := t.Contents[t.Locale]; !ok {
		c.whole(path+".locale", "there is no content for %q, which is for everybody whose language has none", t.Locale)
	}
	spelt := map[language.Tag]string{}
	for _, tag := range slices.Sorted(maps.Keys(t.Contents)) {
		at := path + ".contents." + tag
		parsed, err := language.Parse(tag)
		if err != nil || tag == "und" {
			c.whole(at, "%q is no language; write a tag such as vi, en or pt-BR", tag)
		} else if twice := spelt[parsed]; twice != "" {
			c.whole(at, "%s and %s are the same language", twice, tag)
		}
		spelt[parsed] = tag
		c.content(at, t, t.Contents[tag], c.voucher[name])
	}
	c.samples(path+".sample", t.Sample)
}

// channel checks that a connection is there and sends.
func (c check) channel(path, connection string) {
	conn, known := c.w.Connections[connection]
	switch {
	case !known:
		c.whole(path, "there is no connection %q", connection)
	case channels[conn.Connector] == "":
		c.whole(path, "connection %q can't send: it is of %s; connectors that send: %s", connection, conn.Connector,
			strings.Join(slices.Sorted(maps.Keys(channels)), ", "))
	}
}

func (c check) content(path string, t workspace.Template, one workspace.Content, voucher bool) {
	if strings.TrimSpace(one.Subject) == "" {
		c.whole(path+".subject", "the subject is missing")
	}
	if strings.TrimSpace(one.HTML) == "" && strings.TrimSpace(one.Text) == "" {
		c.whole(path, "there is neither html nor text")
	}
	asks := false
	for _, part := range []struct {
		name, text string
		html       bool
		most       int
	}{{"subject", one.Subject, false, maxSubject}, {"html", one.HTML, true, maxContent}, {"text", one.Text, false, maxContent}} {
		if len(part.text) > part.most {
			c.whole(path+"."+part.name, "it is longer than %d bytes", part.most)
			continue
		}
		r := &reading{text: part.text, html: part.html, purpose: t.Purpose, voucher: voucher}
		_, err := r.compile()
		if err != nil && len(r.wrong) == 0 {
			c.whole(path+"."+part.name, "%s", err)
		}
		for _, wrong := range r.wrong {
			line, column := place(part.text, wrong.at)
			c.refuse(path+"."+part.name, line, column, wrong.reason)
		}
		asks = asks || part.name != "subject" && strings.Contains(part.text, "links.confirm")
	}
	if t.Purpose == workspace.Confirmation && !asks {
		c.whole(path, "a confirmation needs its link: {{ links.confirm }}")
	}
}

func (c check) samples(path string, sample map[string]string) {
	if len(sample) > maxSamples {
		c.whole(path, "there are more than %d values", maxSamples)
	}
	for _, name := range slices.Sorted(maps.Keys(sample)) {
		r := &reading{purpose: workspace.Confirmation}
		if _, reason := r.certain(name); reason != "" || strings.HasPrefix(name, "links.") {
			c.whole(path+"."+name, "no template has a variable %s to give a value", name)
		}
	}
}

func (c check) policies(p workspace.Policies) {
	if q := p.Quiet; q != nil {
		c.quiet("policies.quiet_hours", *q)
	}
	if len(p.Caps) > maxCaps {
		c.whole("policies.caps", "there are at most %d caps", maxCaps)
	}
	for i, limit := range p.Caps {
		c.cap(fmt.Sprintf("policies.caps[%d]", i), limit)
	}
	if p.Duplicates < 0 || p.Duplicates > maxRepeat {
		c.whole("policies.duplicates", "the same template can be kept from coming again for up to %d days", maxRepeat/day)
	}
	for _, channel := range slices.Sorted(maps.Keys(p.Attribution.Click)) {
		path := "policies.attribution.click." + channel
		if channels[channel] == "" {
			c.whole(path, "%q sends no messages; write %s", channel, strings.Join(slices.Sorted(maps.Keys(channels)), " or "))
		}
		c.span(path, p.Attribution.Click[channel])
	}
	if p.Attribution.Voucher != 0 {
		c.span("policies.attribution.voucher", p.Attribution.Voucher)
	}
}

func (c check) quiet(path string, q workspace.Quiet) {
	from, okFrom := clock(q.From)
	to, okTo := clock(q.To)
	switch {
	case !okFrom:
		c.whole(path+".from", `%q is no time of day; write "21:00", in quotes`, q.From)
	case !okTo:
		c.whole(path+".to", `%q is no time of day; write "08:00", in quotes`, q.To)
	case from == to:
		c.whole(path, "they leave no hour of the day to send in")
	case (from-to+day)%day < time.Hour:
		c.whole(path, "they leave less than an hour of the day to send in")
	}
}

func (c check) cap(path string, limit workspace.Cap) {
	if limit.Channel != "" && channels[limit.Channel] == "" {
		c.whole(path+".channel", "%q sends no messages; write %s, or leave it out for all together", limit.Channel,
			strings.Join(slices.Sorted(maps.Keys(channels)), " or "))
	}
	if p := limit.Purpose; p != "" && p != workspace.Marketing && p != workspace.Transactional && p != workspace.Confirmation {
		c.whole(path+".purpose", "write marketing, transactional or confirmation")
	}
	if limit.AtMost < 1 || limit.AtMost > maxCap {
		c.whole(path+".at_most", "write a number from 1 to %d; to stop all messages there is a switch", maxCap)
	}
	c.span(path+".within", limit.Within)
}

func (c check) span(path string, d time.Duration) {
	if d <= 0 || d > maxWithin {
		c.whole(path, "write a span of up to %d days, such as 7d", maxWithin/day)
	}
}

// withVoucher finds the templates that no journey sends before it has taken a
// voucher. One that no journey sends is among them: there is nobody to miss it.
func withVoucher(w workspace.Workspace) map[string]bool {
	sure := map[string]bool{}
	for name := range w.Templates {
		sure[name] = true
	}
	for _, j := range w.Journeys {
		p := paths{at: map[string]bool{}, sends: map[string]bool{}}
		for again := true; again; { // a goto may lead back, or past a voucher
			p.changed = false
			p.outermost(j.Steps)
			again = p.changed
		}
		for template, has := range p.sends {
			sure[template] = sure[template] && has
		}
	}
	return sure
}

// paths follows a journey's ways: whether a voucher was taken on all of them.
type paths struct {
	at      map[string]bool // what holds at the goto's that lead to a step; absent = none does
	sends   map[string]bool // by template
	changed bool
}

func (p *paths) outermost(steps []workspace.Step) {
	has := false
	for _, s := range steps {
		if came, ok := p.at[s.ID]; ok && s.ID != "" {
			has = has && came
		}
		has, _ = p.step(s, has)
	}
}

// list goes through steps; over tells that no way leads out at their end.
func (p *paths) list(steps []workspace.Step, has bool) (after, over bool) {
	for _, s := range steps {
		if has, over = p.step(s, has); over {
			return true, true
		}
	}
	return has, false
}

func (p *paths) step(s workspace.Step, has bool) (after, over bool) {
	var ways [][]workspace.Step
	switch {
	case s.Voucher != "":
		return true, false
	case s.Send != "":
		was, seen := p.sends[s.Send]
		p.sends[s.Send] = has && (was || !seen)
		return has, false
	case s.Goto != "":
		if was, seen := p.at[s.Goto]; !seen || was && !has {
			p.at[s.Goto], p.changed = has, true
		}
		return true, true
	case s.Exit:
		return true, true
	case s.Branch != nil:
		ways = [][]workspace.Step{s.Branch.Then, s.Branch.Else}
	case s.WaitFor != nil:
		ways = [][]workspace.Step{s.WaitFor.Then, s.WaitFor.Else}
	case len(s.Split) > 0:
		for _, v := range s.Split {
			ways = append(ways, v.Steps)
		}
	default:
		return has, false
	}
	after, over = true, true
	for _, way := range ways {
		a, o := p.list(way, has)
		after, over = after && (a || o), over && o
	}
	return after, over
}
