package segment

import (
	"strconv"
	"time"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

// campaign is the last message, all texts; empty where there is none.
type campaign struct {
	whole
	m *Moment
	Campaign
}

func (c *campaign) Type() ref.Type              { return campaignType }
func (c *campaign) Value() any                  { return c }
func (c *campaign) Equal(other ref.Val) ref.Val { return types.Bool(ref.Val(c) == other) }

func (c *campaign) Get(field ref.Val) ref.Val {
	var s string
	switch nameOf(field) {
	case "journey":
		s = c.Journey
	case "variant":
		s = c.Variant
	case "template":
		s = c.Template
	case "result":
		s = c.Result
	case "at":
		if !c.At.IsZero() {
			s = c.At.UTC().Format(time.RFC3339)
		}
	default:
		return noField(field)
	}
	c.m.sawField("campaign", field, types.String(s), nil)
	return types.String(s)
}

func (c *campaign) IsSet(ref.Val) ref.Val { return types.Bool(c.Campaign != (Campaign{})) }

// outcome is what messages brought.
type outcome struct {
	whole
	m *Moment
	Outcome
}

func (o *outcome) Type() ref.Type              { return outcomeType }
func (o *outcome) Value() any                  { return o }
func (o *outcome) Equal(other ref.Val) ref.Val { return types.Bool(ref.Val(o) == other) }

func (o *outcome) Get(field ref.Val) ref.Val {
	if nameOf(field) != "count" {
		return noField(field)
	}
	o.m.sawField("outcome", field, types.Int(o.Count), nil)
	return types.Int(o.Count)
}

func (o *outcome) IsSet(ref.Val) ref.Val { return types.True }

func (o *outcome) sum(function, currency string) ref.Val {
	n := o.Net[currency]
	if o.m.log != nil {
		o.m.saw("outcome."+function+`("`+currency+`")`, strconv.FormatInt(n, 10), nil)
	}
	return types.Int(n)
}
