package segment

import (
	"strconv"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"

	"loophub/shared/profile"
)

// occurred holds what happened lately, by name.
type occurred struct {
	whole
	m *Moment
}

func (o *occurred) Type() ref.Type              { return occurredType }
func (o *occurred) Value() any                  { return o }
func (o *occurred) Equal(other ref.Val) ref.Val { return types.Bool(ref.Val(o) == other) }

func (o *occurred) named(name string) ref.Val {
	return &seen{m: o.m, path: `events("` + name + `")`, name: name, l: o.m.view.Events[name], t: eventsType}
}

// seen are the events of one name that a profile keeps, or those inside a window.
type seen struct {
	whole
	m          *Moment
	path, name string
	l          []profile.Event // newest first
	t          *types.Type
}

func (s *seen) Type() ref.Type { return s.t }
func (s *seen) Value() any     { return s }

func (s *seen) Equal(other ref.Val) ref.Val {
	o, ok := other.(*seen)
	return types.Bool(ok && s.path == o.path)
}

func (s *seen) Get(field ref.Val) ref.Val {
	switch nameOf(field) {
	case "count":
		if s.m.log != nil {
			s.m.saw(s.path+".count", strconv.Itoa(len(s.l)), s.records())
		}
		return types.Int(len(s.l))
	case "last":
		return &event{m: s.m, path: s.path + ".last", l: s.l[:min(len(s.l), 1)]}
	}
	return noField(field)
}

func (s *seen) IsSet(field ref.Val) ref.Val {
	return types.Bool(nameOf(field) == "count" || len(s.l) > 0)
}

func (s *seen) window(function, text string) ref.Val {
	w := &seen{m: s.m, path: s.path + "." + function + `("` + text + `")`, name: s.name, t: someType}
	for _, e := range s.l {
		if s.m.inside(function, text, e.At) {
			w.l = append(w.l, e)
		}
	}
	return w
}

func (s *seen) records() []string {
	var l []string
	for _, e := range s.l {
		l = append(l, e.Record)
	}
	return l
}

// event is the last one of its name, or none.
type event struct {
	whole
	m    *Moment
	path string
	l    []profile.Event // one or none
}

func (e *event) Type() ref.Type            { return eventType }
func (e *event) Value() any                { return e }
func (e *event) Get(field ref.Val) ref.Val { return noField(field) }

func (e *event) Equal(other ref.Val) ref.Val {
	o, ok := other.(*event)
	return types.Bool(ok && len(e.l) == len(o.l) && (len(e.l) == 0 || e.l[0] == o.l[0]))
}

func (e *event) window(function, text string) ref.Val {
	in := len(e.l) > 0 && e.m.inside(function, text, e.l[0].At)
	if e.m.log != nil {
		var records []string
		if len(e.l) > 0 {
			records = []string{e.l[0].Record}
		}
		e.m.saw(e.path+"."+function+`("`+text+`")`, strconv.FormatBool(in), records)
	}
	return types.Bool(in)
}
